// The gateway with the console's routes alone, over a fold that the test feeds: no Kafka.
import { type FastifyInstance } from 'fastify';
import { type AddressInfo } from 'node:net';
import { ConsoleView } from '../../../serving/console/fold.ts';
import { type Arrow } from '../../../serving/console/loop.ts';
import { type StoredEvent, consoleRoutes } from '../../../serving/console/routes.ts';
import { type ApplicationState } from '../../../serving/console/topology.ts';
import { buildGateway } from '../../../serving/gateway.ts';
import { type Told } from './story.ts';

export class ConsoleServer {
  readonly view = new ConsoleView();
  arrows: readonly Arrow[] = [];
  applications: readonly ApplicationState[] = [];
  readonly #events = new Map<number, StoredEvent>();
  #app: FastifyInstance | null = null;
  #port = 0;

  /** What comes on the log: open pages are told within a second. */
  apply(told: readonly Told[]): void {
    for (const { event, record } of told) {
      this.view.apply(event, record);
      if (!record.topic.endsWith('lifecycle')) continue;
      const { topic, partition, offset, timestampMs } = record;
      const written = new Date(timestampMs).toISOString();
      this.#events.set(offset, { topic, partition, offset, written, event: event.name, value: event.value });
    }
  }

  /** The test says what runs. */
  async refresh(): Promise<void> {
    // nobody is to be asked
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  /** A second start takes the same port: the gateway is back. */
  async start(): Promise<void> {
    const app = await buildGateway({
      ready: () => true,
      routes: [
        consoleRoutes({
          view: this.view,
          loop: () => this.arrows,
          topology: this,
          eventAt: async (offset) => this.#events.get(offset) ?? null,
        }),
      ],
    });
    await app.listen({ host: '127.0.0.1', port: this.#port });
    this.#port = (app.server.address() as AddressInfo).port;
    this.#app = app;
  }

  async stop(): Promise<void> {
    await this.#app?.close();
    this.#app = null;
  }
}
