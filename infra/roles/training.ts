// The training role: builds the training set of each requested training and runs its trainer as a process of its own.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tmpdir } from 'node:os';
import { type TrainingRequested } from '../../schemas/events.generated.ts';
import { definitionHash } from '../../schemas/parse-definitions.ts';
import { Failure } from '../../schemas/failure.ts';
import { waitComplete } from '../../serving/analytics/complete.ts';
import { trainingSetSql } from '../../serving/analytics/training-set.ts';
import { viewsOf } from '../../serving/scoring/feature-vector.ts';
import { type VersionInput } from '../../serving/scoring/models.ts';
import { ClickHouseSql } from '../clickhouse/client.ts';
import { CommandClient } from '../command-client.ts';
import { AppliedDefinitions } from '../definition-follower.ts';
import { diskFull, isDiskFull } from '../disk-space.ts';
import { EventFollower } from '../event-follower.ts';
import { checkWeights } from '../onnx/registered-weights.ts';
import { clickhouseUrlOf } from '../settings.ts';
import { type RoleContext, type RunningRole } from './context.ts';

interface TrainingSet {
  readonly id: string;
  readonly file: string;
  readonly rows: number;
  readonly positives: number;
  readonly inputs: readonly VersionInput[];
}

interface Trained {
  readonly run_id: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly weights_sha256: string;
  readonly weights_uri: string;
}

/** What of a failed trainer's output goes into the reason. */
const TAIL_LINES = 12;

export async function run(context: RoleContext): Promise<RunningRole> {
  const role = new TrainingRole(context);
  await role.start();
  return role;
}

class TrainingRole implements RunningRole {
  readonly #context: RoleContext;
  readonly #definitions = new AppliedDefinitions();
  readonly #open = new Map<string, TrainingRequested>();
  readonly #stop = new AbortController();
  readonly #follower: EventFollower;
  readonly #commands: CommandClient;
  readonly #sql: ClickHouseSql;
  #turn: Promise<void> = Promise.resolve();
  #started = false;

  constructor(context: RoleContext) {
    this.#context = context;
    const { kafka, codec, topics, clock, settings } = context;
    this.#sql = new ClickHouseSql(clickhouseUrlOf(settings), clock);
    this.#commands = new CommandClient({
      log: kafka,
      codec,
      names: topics,
      clock,
      workspace: settings.workspace,
      issuedBy: 'training',
    });
    this.#follower = new EventFollower(kafka, codec, (event) => {
      this.#definitions.apply(event);
      if (event.name === 'TrainingRequested') {
        this.#open.set(event.value.training_id, event.value);
        if (this.#started) this.#runSoon(event.value);
      } else if (event.name === 'TrainingCompleted' || event.name === 'TrainingFailed')
        this.#open.delete(event.value.training_id);
    });
  }

  async start(): Promise<void> {
    await this.#commands.start();
    await this.#follower.start([this.#context.topics.lifecycle], (error) => this.#context.failed(error));
    this.#started = true;
    // what a stopped predecessor left unfinished is done again, from the start: the same data gives the same model
    for (const training of this.#open.values()) this.#runSoon(training);
  }

  #runSoon(training: TrainingRequested): void {
    this.#turn = this.#turn.then(() => this.#train(training)).catch((error: unknown) => this.#context.failed(error));
  }

  async #train(training: TrainingRequested): Promise<void> {
    if (this.#stop.signal.aborted || !this.#open.has(training.training_id)) return;
    const { training_id } = training;
    const send = (type: string, payload: unknown): Promise<unknown> => this.#commands.send(type, payload);
    try {
      const set = await this.#buildSet(training);
      if (set === null) return;
      const { train_from, train_to, cutoff } = training;
      await send('RecordTrainingSet', {
        training_id,
        training_set_id: set.id,
        rows: set.rows,
        positives: set.positives,
        train_from,
        train_to,
        cutoff,
        location: set.file,
        manifest: this.#manifest(training, set),
      });
      await send('StartTraining', { training_id, executor: 'local process' });
      const trained = await this.#runTrainer(training, set);
      await this.#checkTrained(trained, set);
      const created = (await send('CreateModelVersion', {
        model: training.model,
        source: trained.weights_uri.replace(/\/[^/]*$/, ''),
        run_id: trained.run_id,
        weights_sha256: trained.weights_sha256,
        weights_uri: trained.weights_uri,
        inputs: JSON.stringify(set.inputs),
        metrics: trained.metrics,
        training_set_id: set.id,
        training_id,
      })) as { version: number };
      await send('CompleteTraining', { training_id, run_id: trained.run_id, version: created.version });
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#context.logger.error({ err: error, training_id }, 'training failed');
      await send('FailTraining', { training_id, reason: error instanceof Failure ? error.advice : String(error) });
    }
  }

  async #buildSet(training: TrainingRequested): Promise<TrainingSet | null> {
    const { topics, settings, clock, kafka } = this.#context;
    const endpoint = this.#definitions.endpoints.find(({ name }) => name === training.endpoint);
    if (endpoint === undefined)
      throw new Failure('unknown_name', `There is no endpoint ${training.endpoint}.`, { fix: 'Apply its definition.' });
    const needed = [
      topics.requests(endpoint.name),
      topics.outcomes(endpoint.name),
      ...viewsOf(endpoint).map((view) => topics.features(view)),
    ];
    const admin = kafka.admin();
    // a topic of the users' own may have another number of partitions than the setting says
    const partitions = await admin.partitionsOf(needed);
    await admin.close();
    await waitComplete(
      this.#sql,
      needed.map((topic) => ({ topic, places: partitions.get(topic) ?? 1 })),
      training.cutoff,
      settings.time,
      clock,
      this.#stop.signal,
    );
    if (this.#stop.signal.aborted) return null;
    const statement = trainingSetSql(endpoint, this.#definitions.entityOf, topics, settings.topicPrefix, {
      fromMs: training.train_from,
      toMs: training.train_to,
      cutoffMs: training.cutoff,
    });
    const csv = await this.#sql.text(statement, 'CSVWithNames');
    const id = createHash('sha256').update(csv).digest('hex');
    const folder = join(settings.dataDir, 'training-sets');
    const file = join(folder, `${id}.csv`);
    keepWhole(file, csv);
    const categories = await this.#categories(
      statement,
      endpoint.inputs.filter(({ kind }) => kind === 'category').map(({ name }) => name),
    );
    const inputs = endpoint.inputs.map(({ name, kind }): VersionInput =>
      kind === 'category' ? { name, kind, categories: categories.get(name) ?? [] } : { name, kind },
    );
    const [counts] = await this.#sql.query<{ rows: number; positives: number }>(
      `SELECT count() AS rows, countIf(label > 0) AS positives FROM (${statement})`,
    );
    if (counts === undefined || counts.rows === 0)
      throw new Failure(
        'not_ready',
        `There are no labelled requests from ${new Date(training.train_from).toISOString()} to ${new Date(training.train_to).toISOString()}.`,
        { fix: 'Choose a range that has requests and outcomes.' },
      );
    return { id, file, rows: counts.rows, positives: counts.positives, inputs };
  }

  async #categories(statement: string, names: readonly string[]): Promise<Map<string, string[]>> {
    const found = new Map<string, string[]>();
    for (const name of names) {
      const rows = await this.#sql.query<{ value: string | null }>(
        `SELECT DISTINCT toString(\`${name}\`) AS value FROM (${statement}) ORDER BY value`,
      );
      found.set(
        name,
        rows.flatMap(({ value }) => (value === null ? [] : [value])),
      );
    }
    return found;
  }

  #manifest(training: TrainingRequested, set: TrainingSet): string {
    const endpoint = this.#definitions.endpoints.find(({ name }) => name === training.endpoint);
    const views = endpoint === undefined ? [] : viewsOf(endpoint);
    const definitions = Object.fromEntries(
      this.#definitions.views
        .filter(({ name }) => views.includes(name))
        .map((view) => [view.name, definitionHash(view)]),
    );
    return JSON.stringify({
      inputs: set.inputs,
      definitions,
      train_from: training.train_from,
      train_to: training.train_to,
      cutoff: training.cutoff,
    });
  }

  async #runTrainer(training: TrainingRequested, set: TrainingSet): Promise<Trained> {
    const { settings } = this.#context;
    const folder = mkdtempSync(join(tmpdir(), 'millrace-training-'));
    try {
      const spec = {
        ...training,
        training_set: set.file,
        training_set_id: set.id,
        inputs: set.inputs,
        tracking_uri: `http://${settings.host}:${settings.httpPort}`,
      };
      const file = join(folder, 'spec.json');
      writeFileSync(file, JSON.stringify(spec));
      const program = new URL(`../training/trainers/${training.trainer}_trainer.py`, import.meta.url).pathname;
      const output = await this.#spawn(settings.python, [program, file], folder);
      return JSON.parse(output.trim().split('\n').at(-1) ?? '') as Trained;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** What no scorer could load is not registered. @throws Failure `invalid_model` */
  async #checkTrained({ weights_uri, weights_sha256 }: Trained, set: TrainingSet): Promise<void> {
    const { dataDir, device } = this.#context.settings;
    const sha256 = await checkWeights(device, dataDir, weights_uri, set.inputs.length);
    if (sha256 !== weights_sha256)
      throw new Failure(
        'invalid_model',
        `The weights at ${weights_uri} are not those that the trainer made: SHA-256 ${sha256}, not ${weights_sha256}.`,
        {
          field: 'weights_sha256',
          fix: 'Ask for a new training (`millrace train`).',
        },
      );
  }

  #spawn(command: string, args: readonly string[], folder: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = spawn(command, args, {
        signal: this.#stop.signal,
        env: {
          ...process.env,
          TMPDIR: folder,
          MLFLOW_ENABLE_ASYNC_LOGGING: 'false',
          // its thread changes the environment while the client reads it, where the network does not answer: a KeyError ends
          // the training
          MLFLOW_DISABLE_TELEMETRY: 'true',
          GIT_PYTHON_REFRESH: 'quiet',
          // OpenMP's threads spin while they wait: where the cores are busy, a training of 1 s then takes 15 to 50
          OMP_WAIT_POLICY: 'PASSIVE',
          // the converter writes what it keeps in sets of names: in the same order each time, or the same model has other bytes
          PYTHONHASHSEED: '0',
        },
      });
      let output = '';
      let errors = '';
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
      child.once('error', reject);
      child.once('close', (code) => {
        if (code === 0) resolve(output);
        else
          reject(
            new Failure(
              'internal',
              `The trainer ended with ${code}: ${errors.trim().split('\n').slice(-TAIL_LINES).join(' | ')}`,
              { fix: 'Mend the trainer or its data, then ask for a new training (`millrace train`).' },
            ),
          );
      });
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#turn;
    await this.#follower.stop();
    await this.#commands.close();
  }
}

/** Whole or not at all. @throws Failure `disk_full` */
function keepWhole(file: string, text: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(`${file}.part`, text);
    renameSync(`${file}.part`, file);
  } catch (cause) {
    rmSync(`${file}.part`, { force: true });
    throw isDiskFull(cause) ? diskFull('the training sets', cause) : cause;
  }
}
