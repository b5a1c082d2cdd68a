// The console's parts, wired to the log: the fold, the measured loop, and the events read back.
import { type Event } from '../schemas/codec.ts';
import { ConsoleView } from '../serving/console/fold.ts';
import { consoleRoutes } from '../serving/console/routes.ts';
import { type RoutePlugin } from '../serving/gateway.ts';
import { type LogRecord } from '../streams/log.ts';
import { ConsoleRates } from './console-rates.ts';
import { TopologyWatch } from './console-topology.ts';
import { AppliedDefinitions } from './definition-follower.ts';
import { EventFollower } from './event-follower.ts';
import { lifecycleEventAt } from './lifecycle-event.ts';
import { type RoleContext } from './roles/context.ts';

export class Console {
  readonly #context: RoleContext;
  readonly #definitions = new AppliedDefinitions();
  readonly #view = new ConsoleView();
  readonly #rates: ConsoleRates;
  readonly #topology: TopologyWatch;
  readonly #marks: EventFollower;
  readonly #stop = new AbortController();
  #following: Promise<void> = Promise.resolve();

  constructor(context: RoleContext) {
    const { kafka, codec, topics, clock, settings } = context;
    this.#context = context;
    this.#rates = new ConsoleRates({
      log: kafka,
      names: topics,
      definitions: this.#definitions,
      view: this.#view,
      nowMs: () => clock.monotonicMs(),
    });
    this.#topology = new TopologyWatch(settings.dataDir, () => clock.monotonicMs());
    // marks by themselves: a page about the loop must not hold up whoever waits for his own write
    this.#marks = new EventFollower(kafka, codec, (event) => this.#rates.apply(event));
  }

  /** Takes lifecycle, metrics and statistics from the role's own follower. */
  apply(event: Event, record: LogRecord): void {
    this.#definitions.apply(event);
    this.#view.apply(event, record);
  }

  start(): void {
    const { topics, clock, logger } = this.#context;
    const failed = (error: unknown): void => this.#context.failed(error);
    this.#following = this.#marks.start([topics.watermarks], failed).catch(failed);
    this.#rates.start(
      (ms) => clock.sleep(ms, this.#stop.signal),
      (error) => logger.warn({ err: error }, 'the console could not measure the log'),
    );
  }

  get routes(): RoutePlugin {
    const { kafka, codec, topics } = this.#context;
    return consoleRoutes({
      view: this.#view,
      loop: () => this.#rates.arrows,
      topology: this.#topology,
      eventAt: (offset) => lifecycleEventAt(kafka, codec, topics.lifecycle, offset),
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#marks.stop(), this.#rates.stop()]);
    await this.#following;
  }
}
