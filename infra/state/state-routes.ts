// The state paths of the gateway: states of declared topologies, wherever they run.
import { type FastifyRequest } from 'fastify';
import { type RoutePlugin } from '../../serving/gateway.ts';
import { type Clock } from '../../streams/clock.ts';
import { type Places } from './places.ts';
import { answerState } from './state-http.ts';
import { StateRouter } from './state-router.ts';

export function stateRoutes(places: Places, clock: Clock): RoutePlugin {
  const router = new StateRouter(places, clock);
  return async (app) => {
    const answer = (request: FastifyRequest): Promise<unknown> =>
      answerState(router, {
        ...{ method: request.method, url: request.url, body: request.body },
        header: (name) => request.headers[name]?.toString(),
      });
    app.get('/state', answer);
    app.get('/state/*', answer);
    app.post('/state/*', answer);
  };
}
