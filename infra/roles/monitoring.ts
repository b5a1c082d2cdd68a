// The monitoring role: joins outcomes to predictions, and decides the windows of every monitor.
import { type EndpointDefinition, type MonitorDefinition } from '../../schemas/definitions.ts';
import { type Statistic } from '../../schemas/events.generated.ts';
import { definitionHash } from '../../schemas/parse-definitions.ts';
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
import { engineParts, measureApplications, stopApplications } from './engine-parts.ts';

export async function run(context: RoleContext): Promise<RunningRole> {
  const role = new MonitoringRole(context);
  await role.start();
  return role;
}

interface RunningEvaluator {
  readonly evaluator: Evaluator;
  readonly done: Promise<void>;
  readonly stop: AbortController;
}

class MonitoringRole implements RunningRole {
  readonly #context: RoleContext;
  readonly #definitions = new AppliedDefinitions();
  readonly #statistics = new Map<string, Map<number, Statistic[]>>();
  readonly #rollouts = new Map<string, OpenRollout>();
  readonly #inputs = new Map<string, readonly VersionInput[]>();
  readonly #applications = new Map<string, Application>();
  readonly #evaluators = new Map<string, RunningEvaluator>();
  /** definitions that are followed, by kind and name */
  readonly #hashes = new Map<string, string>();
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
      if (this.#isNews('endpoint', endpoint)) await this.#startJoin(endpoint);
    for (const monitor of this.#definitions.monitors) {
      const endpoint = this.#definitions.endpoints.find(({ name }) => name === monitor.endpoint);
      if (endpoint !== undefined && this.#isNews('monitor', monitor)) await this.#startEvaluator(monitor, endpoint);
    }
  }

  /** Whether this definition is new or has changed since it was last asked for. */
  #isNews(kind: string, definition: EndpointDefinition | MonitorDefinition): boolean {
    const hash = definitionHash(definition);
    const id = `${kind}/${definition.name}`;
    if (this.#hashes.get(id) === hash) return false;
    this.#hashes.set(id, hash);
    return true;
  }

  async #startJoin(endpoint: EndpointDefinition): Promise<void> {
    const { codec, topics, clock, settings } = this.#context;
    const { name } = endpoint;
    await this.#applications.get(name)?.stop();
    await codec.prepare(topics.results(name), ['Result']);
    const application = await makeApplication(
      engineParts(this.#context, endpoint.name),
      joinApplication({ endpoint, names: topics, codec, live: settings.time === 'live', nowMs: () => clock.nowMs() }),
    );
    this.#applications.set(name, application);
    await application.start();
    application.finished.catch((error: unknown) => this.#context.failed(error));
  }

  /** A changed monitor goes on after the last window that was decided. */
  async #startEvaluator(monitor: MonitorDefinition, endpoint: EndpointDefinition): Promise<void> {
    const { kafka, clock, codec, topics, settings } = this.#context;
    await this.#stopEvaluator(monitor.name);
    const stop = new AbortController();
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
        caughtUp: () => this.#follower.caughtUp(this.#context.topics.lifecycle),
        send: (type, payload, commandId) => this.#commands.send(type, payload, commandId),
        signal: stop.signal,
      },
      monitor,
      endpoint,
    );
    const done = evaluator.run();
    done.catch((error: unknown) => this.#context.failed(error));
    this.#evaluators.set(monitor.name, { evaluator, done, stop });
  }

  async #stopEvaluator(name: string): Promise<void> {
    const running = this.#evaluators.get(name);
    if (running === undefined) return;
    running.stop.abort();
    // its failure has been told already
    await running.done.catch(() => undefined);
    await running.evaluator.close();
    this.#evaluators.delete(name);
  }

  async stop(): Promise<void> {
    // a fold that stands still cannot catch up: evaluators first
    await Promise.all([...this.#evaluators.keys()].map((name) => this.#stopEvaluator(name)));
    await this.#follower.stop();
    await this.#turn;
    await Promise.all([...this.#evaluators.keys()].map((name) => this.#stopEvaluator(name)));
    await this.#commands.close();
    await stopApplications(this.#context, this.#applications);
  }
}
