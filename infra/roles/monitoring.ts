// The monitoring role: joins outcomes to predictions, and decides the windows of every monitor.
import { type Statistic } from '../../schemas/events.generated.ts';
import { joinApplication } from '../../processors/results/join-application.ts';
import { type VersionInput, versionId } from '../../serving/scoring/models.ts';
import { type Application } from '../../streams/application.ts';
import { ClickHouseSql } from '../clickhouse/client.ts';
import { CommandClient } from '../command-client.ts';
import { AppliedDefinitions } from '../definition-follower.ts';
import { EventFollower } from '../event-follower.ts';
import { Evaluator, type OpenRollout } from '../monitoring/evaluator.ts';
import { clickhouseUrlOf } from '../settings.ts';
import { type RoleContext, type RunningRole } from './context.ts';
import { makeApplication } from './engine-options.ts';
import { engineParts, measureApplications } from './engine-parts.ts';

export async function run(context: RoleContext): Promise<RunningRole> {
  const role = new MonitoringRole(context);
  await role.start();
  return role;
}

class MonitoringRole implements RunningRole {
  readonly #context: RoleContext;
  readonly #definitions = new AppliedDefinitions();
  readonly #statistics = new Map<string, Map<number, Statistic[]>>();
  readonly #rollouts = new Map<string, OpenRollout>();
  readonly #inputs = new Map<string, readonly VersionInput[]>();
  readonly #applications = new Map<string, Application>();
  readonly #evaluators = new Map<string, { readonly evaluator: Evaluator; readonly done: Promise<void> }>();
  readonly #stop = new AbortController();
  readonly #follower: EventFollower;
  readonly #commands: CommandClient;
  #turn: Promise<void> = Promise.resolve();
  #started = false;

  constructor(context: RoleContext) {
    this.#context = context;
    const { kafka, codec, topics, clock, settings } = context;
    this.#commands = new CommandClient({
      log: kafka,
      codec,
      names: topics,
      clock,
      workspace: settings.workspace,
      issuedBy: 'monitoring',
    });
    this.#follower = new EventFollower(kafka, codec, (event) => {
      this.#definitions.apply(event);
      if (event.name === 'Statistic') this.#note(event.value);
      else if (event.name === 'ModelVersionCreated')
        this.#inputs.set(
          versionId(event.value.model, event.value.version),
          event.value.inputs === '' ? [] : (JSON.parse(event.value.inputs) as VersionInput[]),
        );
      else if (event.name === 'RolloutStarted') {
        const { endpoint, rollout_id: id, champion, challenger, effective_from } = event.value;
        this.#rollouts.set(endpoint, { id, champion, challenger, effectiveFromMs: effective_from });
      } else if (event.name === 'RolloutAdvanced' && !['shadow', 'canary'].includes(event.value.stage))
        this.#rollouts.delete(event.value.endpoint);
      else if (event.name === 'DefinitionApplied' && this.#started) this.#startSoon();
    });
  }

  #note(statistic: Statistic): void {
    const ofMonitor = this.#statistics.get(statistic.monitor) ?? new Map<number, Statistic[]>();
    this.#statistics.set(statistic.monitor, ofMonitor);
    const list = ofMonitor.get(statistic.window_end) ?? [];
    if (!list.some(({ statistic_id }) => statistic_id === statistic.statistic_id)) list.push(statistic);
    ofMonitor.set(statistic.window_end, list);
  }

  async start(): Promise<void> {
    const { topics, codec } = this.#context;
    measureApplications(this.#context, this.#applications);
    await this.#commands.start();
    await codec.prepare(topics.statistics, ['Statistic']);
    await this.#follower.start([topics.lifecycle, topics.statistics], (error) => this.#context.failed(error));
    this.#started = true;
    this.#startSoon();
    await this.#turn;
  }

  #startSoon(): void {
    this.#turn = this.#turn.then(() => this.#startMissing()).catch((error: unknown) => this.#context.failed(error));
  }

  async #startMissing(): Promise<void> {
    for (const endpoint of this.#definitions.endpoints)
      if (!this.#applications.has(endpoint.name)) await this.#startJoin(endpoint.name);
    for (const monitor of this.#definitions.monitors)
      if (!this.#evaluators.has(monitor.name)) this.#startEvaluator(monitor.name);
  }

  async #startJoin(name: string): Promise<void> {
    const { codec, topics, clock } = this.#context;
    const endpoint = this.#definitions.endpoints.find((one) => one.name === name);
    if (endpoint === undefined) return;
    await codec.prepare(topics.results(name), ['Result']);
    const application = await makeApplication(
      engineParts(this.#context),
      joinApplication({ endpoint, names: topics, codec, nowMs: () => clock.nowMs() }),
    );
    this.#applications.set(name, application);
    await application.start();
    application.finished.catch((error: unknown) => this.#context.failed(error));
  }

  #startEvaluator(name: string): void {
    const { kafka, clock, codec, topics, settings } = this.#context;
    const monitor = this.#definitions.monitors.find((one) => one.name === name);
    const endpoint = this.#definitions.endpoints.find((one) => one.name === monitor?.endpoint);
    if (monitor === undefined || endpoint === undefined) return;
    const evaluator = new Evaluator(
      {
        log: kafka,
        clock,
        codec,
        names: topics,
        prefix: settings.topicPrefix,
        mode: settings.time,
        sql: new ClickHouseSql(clickhouseUrlOf(settings), clock),
        definitions: this.#definitions,
        statistics: this.#statistics,
        rolloutOf: (place) => this.#rollouts.get(place) ?? null,
        inputsOf: (id) => this.#inputs.get(id) ?? [],
        caughtUp: () => this.#caughtUp(),
        send: (type, payload, commandId) => this.#commands.send(type, payload, commandId),
        signal: this.#stop.signal,
      },
      monitor,
      endpoint,
    );
    const done = evaluator.run();
    done.catch((error: unknown) => this.#context.failed(error));
    this.#evaluators.set(name, { evaluator, done });
  }

  /** The fold has what the log had when this was called. */
  async #caughtUp(): Promise<void> {
    const { kafka, topics } = this.#context;
    const admin = kafka.admin();
    const [bounds] = await admin.offsets([{ topic: topics.lifecycle, partition: 0 }]);
    await admin.close();
    if (bounds !== undefined && bounds.end > 0) await this.#follower.reached(bounds, bounds.end - 1);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled([...this.#evaluators.values()].map(({ done }) => done));
    await Promise.all([...this.#evaluators.values()].map(({ evaluator }) => evaluator.close()));
    await this.#follower.stop();
    await this.#turn;
    await this.#commands.close();
    await Promise.all([...this.#applications.values()].map((application) => application.stop()));
  }
}
