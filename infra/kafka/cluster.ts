// Connections to the brokers, who leads what, who coordinates whom; calls with retries while a broker is away.
import { Failure } from '../../schemas/failure.ts';
import { type Clock } from '../../streams/clock.ts';
import { type TopicPartition } from '../../streams/log.ts';
import { Connection, type ConnectionOptions, findCoordinatorV6, metadataV12 } from './library.ts';
import { codeOf, failureOf, isRetriable, refusedConnection } from './protocol-error.ts';

export interface KafkaOptions {
  /** `host:port` */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly clock: Clock;
  readonly tls?: ConnectionOptions['tls'];
  readonly sasl?: ConnectionOptions['sasl'];
  /** how long a call is retried while brokers cannot be reached */
  readonly retryForMs?: number;
}

interface TopicInfo {
  readonly id: string;
  /** broker by partition */
  readonly leaders: readonly number[];
}

/** A broker that is restarted is back within seconds, after a kill within some 15: two minutes leave room for a busy machine. */
const RETRY_FOR_MS = 120_000;
const RETRY_STEP_MS = 50;
/** For coordinators that are only a moment away (a transaction that is just being completed). */
const QUICK_STEP_MS = 5;
const CONCURRENT_TRANSACTIONS = 51;
/** Longer than any long poll we ask for. */
const REQUEST_TIMEOUT_MS = 30_000;

export const COORDINATOR = { group: 0, transaction: 1 } as const;

export class Cluster {
  readonly options: KafkaOptions;
  readonly #topics = new Map<string, TopicInfo>();
  readonly #nameOfId = new Map<string, string>();
  readonly #brokers = new Map<number, { host: string; port: number }>();
  readonly #coordinators = new Map<string, number>();
  readonly #connections = new Map<string, Promise<Connection>>();
  #closed = false;

  constructor(options: KafkaOptions) {
    this.options = options;
  }

  /** Own connections for long polls: `lane` keeps them apart from the others. */
  async connection(nodeId: number, lane = ''): Promise<Connection> {
    const broker = this.#brokers.get(nodeId);
    if (broker === undefined) {
      await this.refresh([]);
      throw new Failure('unreachable', `Kafka broker ${nodeId} is not known.`);
    }
    return this.#connect(`${nodeId}${lane}`, broker.host, broker.port);
  }

  #connect(id: string, host: string, port: number): Promise<Connection> {
    const existing = this.#connections.get(id);
    if (existing !== undefined) return existing;
    // whoever goes on trying must not open what nobody closes
    if (this.#closed) return Promise.reject(new Failure('unreachable', 'The log was closed.'));
    const made = this.#open(host, port, () => this.#connections.delete(id));
    this.#connections.set(id, made);
    made.catch(() => this.#connections.delete(id));
    return made;
  }

  async #open(host: string, port: number, gone: () => void): Promise<Connection> {
    const { clientId, tls, sasl } = this.options;
    const connection = new Connection(clientId, {
      connectTimeout: 5000,
      requestTimeout: REQUEST_TIMEOUT_MS,
      maxInflights: 64,
      ...(tls === undefined ? {} : { tls }),
      ...(sasl === undefined ? {} : { sasl }),
    });
    connection.on('error', gone);
    connection.on('close', gone);
    try {
      await connection.connect(host, port);
    } catch (error) {
      throw refusedConnection(error, `${host}:${port}`) ?? error;
    }
    return connection;
  }

  /** The brokers that are known. */
  get nodeIds(): readonly number[] {
    return [...this.#brokers.keys()];
  }

  /** Any broker that answers. */
  async anyConnection(): Promise<Connection> {
    const known = [...this.#brokers.keys()];
    for (const nodeId of known) {
      try {
        return await this.connection(nodeId);
      } catch {
        // the next one may answer
      }
    }
    let last: unknown;
    for (const address of this.options.brokers) {
      const at = address.lastIndexOf(':');
      try {
        return await this.#connect(address, address.slice(0, at), Number(address.slice(at + 1)));
      } catch (error) {
        last = error;
      }
    }
    if (last instanceof Failure && last.code === 'unauthorized') throw last;
    throw new Failure('unreachable', `No Kafka broker answers at ${this.options.brokers.join(', ')}.`, {
      fix: 'Check KAFKA_BROKERS, KAFKA_TLS and that Kafka runs.',
      cause: last,
    });
  }

  /** Asks for metadata of these topics. Unknown topics are forgotten. @returns those that there are, by name */
  async refresh(topics: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>> {
    const connection = await this.anyConnection();
    const answer = await metadataV12.api.async(connection, [...topics], false, false).catch((error: unknown) => {
      // the library throws when one topic has an error; its answer holds the others
      const response = (error as { response?: Awaited<ReturnType<typeof metadataV12.api.async>> }).response;
      if (response === undefined) throw error;
      return response;
    });
    for (const { nodeId, host, port } of answer.brokers) this.#brokers.set(nodeId, { host, port });
    const found = new Map<string, TopicInfo>();
    for (const topic of answer.topics) {
      if (topic.name === null || topic.name === undefined) continue;
      if (topic.errorCode !== 0) {
        this.#topics.delete(topic.name);
        continue;
      }
      const leaders: number[] = [];
      for (const partition of topic.partitions) leaders[partition.partitionIndex] = partition.leaderId;
      const info = { id: topic.topicId, leaders };
      found.set(topic.name, info);
      this.#topics.set(topic.name, info);
      this.#nameOfId.set(topic.topicId, topic.name);
    }
    return found;
  }

  async topic(name: string): Promise<TopicInfo> {
    const known = this.#topics.get(name);
    if (known !== undefined) return known;
    // by its own answer: whoever met a stale leader meanwhile may have had the topic forgotten
    const found = (await this.refresh([name])).get(name);
    if (found === undefined)
      throw new Failure('unknown_name', `The topic ${name} does not exist.`, {
        fix: 'Create it, or apply the definition that declares it.',
      });
    return found;
  }

  /** By the broker that leads them; −1: none does at present. */
  async byLeader<T extends TopicPartition>(partitions: readonly T[]): Promise<ReadonlyMap<number, readonly T[]>> {
    const leaders = new Map<number, T[]>();
    for (const at of partitions) {
      const leader = (await this.topic(at.topic)).leaders[at.partition] ?? -1;
      leaders.set(leader, [...(leaders.get(leader) ?? []), at]);
    }
    return leaders;
  }

  knownTopic(name: string): TopicInfo | undefined {
    return this.#topics.get(name);
  }

  forget(name: string): void {
    this.#topics.delete(name);
  }

  nameOfId(id: string): string | undefined {
    return this.#nameOfId.get(id);
  }

  async coordinator(type: 0 | 1, key: string): Promise<Connection> {
    const id = `${type}/${key}`;
    const known = this.#coordinators.get(id);
    if (known !== undefined) return this.connection(known, type === COORDINATOR.transaction ? '/txn' : '/group');
    const answer = await findCoordinatorV6.api.async(await this.anyConnection(), type, [key]);
    const found = answer.coordinators[0];
    if (found === undefined) throw new Failure('unreachable', `Kafka named no coordinator for ${key}.`);
    this.#brokers.set(found.nodeId, { host: found.host, port: found.port });
    this.#coordinators.set(id, found.nodeId);
    return this.connection(found.nodeId, type === COORDINATOR.transaction ? '/txn' : '/group');
  }

  forgetCoordinator(type: 0 | 1, key: string): void {
    this.#coordinators.delete(`${type}/${key}`);
  }

  /**
   * Repeats `call` while brokers are away or ask to try again. Only for calls that may be repeated.
   * @param stale called before a repetition, to forget what may have changed
   */
  async retrying<T>(
    doing: string,
    call: () => Promise<T>,
    stale: () => void = () => undefined,
    signal?: AbortSignal,
  ): Promise<T> {
    const { clock } = this.options;
    const untilMs = clock.monotonicMs() + (this.options.retryForMs ?? RETRY_FOR_MS);
    for (;;) {
      try {
        return await call();
      } catch (error) {
        const code = codeOf(error);
        if (error instanceof Failure && error.code !== 'unreachable') throw error;
        if (code !== null && !isRetriable(code)) throw failureOf(code, doing);
        if (this.#closed || signal?.aborted === true || clock.monotonicMs() > untilMs) {
          if (code !== null) throw failureOf(code, doing);
          throw new Failure('unreachable', `${doing}: Kafka did not answer (${String(error)}).`, {
            fix: 'Check that Kafka runs and can be reached.',
            cause: error,
          });
        }
        stale();
        await clock.sleep(code === CONCURRENT_TRANSACTIONS ? QUICK_STEP_MS : RETRY_STEP_MS);
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const pending of this.#connections.values()) {
      const connection = await pending.catch(() => null);
      await connection?.close().catch(() => undefined);
    }
    this.#connections.clear();
  }

  /** Closes the connections of one reader or session. */
  async closeLane(lane: string): Promise<void> {
    for (const [id, pending] of [...this.#connections]) {
      if (!id.endsWith(lane)) continue;
      this.#connections.delete(id);
      const connection = await pending.catch(() => null);
      await connection?.close().catch(() => undefined);
    }
  }
}
