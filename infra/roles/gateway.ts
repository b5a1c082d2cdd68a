// The gateway role: HTTP for people and programs; its views are folds of the log, its writes are commands.
import { randomUUID } from 'node:crypto';
import { type FastifyInstance } from 'fastify';
import { type RoutePlugin, buildGateway } from '../../serving/gateway.ts';
import { type RunEntry, mlflowRoutes } from '../../serving/mlflow/routes.ts';
import { RegistryView } from '../../serving/mlflow/run-view.ts';
import { v2Routes } from '../../serving/protocols/v2.ts';
import { headerMaker } from '../../streams/event-headers.ts';
import { Artifacts } from '../artifacts.ts';
import { CommandClient } from '../command-client.ts';
import { Console } from '../console.ts';
import { portFailure } from '../embedded/child.ts';
import { EventFollower } from '../event-follower.ts';
import { HttpScoring } from '../http-scoring.ts';
import { weightsBelow } from '../onnx/registered-weights.ts';
import { type Settings } from '../settings.ts';
import { stateRoutes } from '../state/state-routes.ts';
import { type RoleContext, type RunningRole } from './context.ts';

export async function run(context: RoleContext): Promise<RunningRole> {
  const { kafka, codec, topics, clock, settings, metrics } = context;
  const { dataDir, device } = settings;
  const registry = new RegistryView();
  const scoring = new HttpScoring(context);
  const webConsole = new Console(context);
  const commands = new CommandClient({
    log: kafka,
    codec,
    names: topics,
    clock,
    workspace: settings.workspace,
    issuedBy: 'gateway',
  });
  await commands.start();
  const follower = new EventFollower(kafka, codec, (event, record) => {
    registry.apply(event);
    scoring.apply(event);
    webConsole.apply(event, record);
  });
  await follower.start([topics.lifecycle, topics.metrics, topics.statistics], (error) => context.failed(error));
  await scoring.start();
  webConsole.start();

  const runWriter = new RunWriter(context, follower);
  const artifacts = new Artifacts(dataDir);
  await runWriter.start();
  const app = await buildGateway({
    ready: () => true,
    routes: [
      webConsole.routes,
      v2Routes(scoring),
      stateRoutes(context.places, clock),
      mlflowRoutes({
        view: registry,
        artifacts,
        weights: (model, source) => weightsBelow(artifacts, dataDir, device, source, scoring.inputsOf(model)),
        command: async (type, payload) => {
          const result = await commands.send(type, payload);
          await follower.caughtUp(topics.lifecycle);
          return result;
        },
        log: (entries) => runWriter.write(entries),
        newId: () => randomUUID().replaceAll('-', ''),
        nowMs: () => clock.nowMs(),
      }),
      metricsRoute(metrics),
    ],
  });
  await listen(app, settings);
  return {
    async stop() {
      await app.close();
      await webConsole.stop();
      await scoring.stop();
      await follower.stop();
      await commands.close();
      await runWriter.close();
    },
  };
}

function metricsRoute(metrics: RoleContext['metrics']): RoutePlugin {
  return async (app) => {
    app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()));
  };
}

async function listen(app: FastifyInstance, { host, httpPort }: Settings): Promise<void> {
  try {
    await app.listen({ host, port: httpPort });
  } catch (cause) {
    throw portFailure(host, httpPort, 'MILLRACE_HTTP_PORT', cause as Error & { code?: string });
  }
}

/** Metrics, parameters and tags of runs: produced directly, read back by the view before the client is answered. */
class RunWriter {
  readonly #context: RoleContext;
  readonly #follower: EventFollower;
  readonly #writer;
  readonly #headers = new Map<string, ReturnType<typeof headerMaker>>();

  constructor(context: RoleContext, follower: EventFollower) {
    this.#context = context;
    this.#follower = follower;
    this.#writer = context.kafka.writer();
  }

  async start(): Promise<void> {
    await this.#context.codec.prepare(this.#context.topics.metrics, ['RunMetric', 'RunParameter', 'RunTag']);
  }

  async write(entries: readonly RunEntry[]): Promise<void> {
    const { codec, clock, topics } = this.#context;
    const nowMs = clock.nowMs();
    const appended = await this.#writer.append(
      entries.map((entry) => {
        const headers = this.#headers.get(entry.name) ?? headerMaker(`millrace.${entry.name}`, 'millrace/gateway');
        this.#headers.set(entry.name, headers);
        const value =
          entry.name === 'RunMetric' ? codec.encode('RunMetric', entry.value) : codec.encode(entry.name, entry.value);
        return {
          topic: topics.metrics,
          timestampMs: nowMs,
          key: Buffer.from(entry.value.run_id),
          value,
          headers: headers(randomUUID(), nowMs),
        };
      }),
    );
    await Promise.all(appended.map((part) => this.#follower.reached(part, part.firstOffset + part.count - 1)));
  }

  close(): Promise<void> {
    return this.#writer.close();
  }
}
