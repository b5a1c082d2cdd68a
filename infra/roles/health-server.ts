// Health, metrics, the running applications and their states of one process, on a loopback port that the system chooses.
import { type Server, createServer } from 'node:http';
import { type Registry } from 'prom-client';
import { type StateServer } from '../state/state-server.ts';
import { type ApplicationReports } from './application-reports.ts';

export interface Observed {
  readonly metrics: Registry;
  readonly reports: ApplicationReports;
  readonly states: StateServer;
  ready(): boolean;
  failed(error: unknown): void;
}

export function healthServer({ metrics, reports, states, ready, failed }: Observed): Server {
  const server = createServer((request, response) => {
    if (request.url === '/metrics') {
      metrics.metrics().then((text) => response.setHeader('Content-Type', metrics.contentType).end(text), failed);
      return;
    }
    if (request.url === '/applications') {
      const told = reports.read();
      told.then((read) => response.setHeader('Content-Type', 'application/json').end(JSON.stringify(read)), failed);
      return;
    }
    if (states.take(request, response)) return;
    const ok = request.url === '/health/live' || (request.url === '/health/ready' && ready());
    response.writeHead(ok ? 200 : request.url === '/health/ready' ? 503 : 404).end(ok ? 'OK\n' : 'not ready\n');
  });
  server.listen(0, '127.0.0.1');
  return server;
}

export function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
