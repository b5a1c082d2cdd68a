// Kafka as a function of requests: what a broker would answer, byte for byte, without a broker or a socket.
import { Connection, Reader, Writer } from '@platformatic/kafka';
import { Cluster } from '../../infra/kafka/cluster.ts';
import { type Clock } from '../../streams/clock.ts';

/** Numbers of the requests, as in Kafka's protocol. */
export const API = { produce: 0, fetch: 1, metadata: 3, listTransactions: 66 } as const;

/** Answers a request, or throws as a connection does that breaks. */
export type Answer = (nodeId: number, apiKey: number, request: Reader) => Promise<Writer>;

class AnsweringConnection extends Connection {
  readonly #answer: (apiKey: number, request: Reader) => Promise<Writer>;

  constructor(answer: (apiKey: number, request: Reader) => Promise<Writer>) {
    super('answering');
    this.#answer = answer;
  }

  override send<T>(
    ...[apiKey, apiVersion, payload, parse, , , callback]: [
      apiKey: number,
      apiVersion: number,
      payload: () => Writer | Promise<Writer>,
      parse: (correlationId: number, apiKey: number, apiVersion: number, reader: Reader) => T | Promise<T>,
      hasRequestTags: boolean,
      hasAnswerTags: boolean,
      callback: (error: Error | null, payload?: T) => void,
    ]
  ): void {
    const told = async (): Promise<T> => {
      const request = await payload();
      const answer = await this.#answer(apiKey, Reader.from(request.buffer));
      return parse(0, apiKey, apiVersion, Reader.from(answer.buffer));
    };
    told().then(
      (answer) => callback(null, answer),
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error))),
    );
  }
}

/** Brokers 1 to `nodes`. */
export class AnsweringCluster extends Cluster {
  readonly #answer: Answer;
  readonly #nodes: number;

  constructor(clock: Clock, answer: Answer, nodes = 1) {
    super({ brokers: [], clientId: 'answering', clock });
    this.#answer = answer;
    this.#nodes = nodes;
  }

  override get nodeIds(): readonly number[] {
    return Array.from({ length: this.#nodes }, (_, index) => index + 1);
  }

  override async connection(nodeId: number): Promise<Connection> {
    return new AnsweringConnection((apiKey, request) => this.#answer(nodeId, apiKey, request));
  }

  override anyConnection(): Promise<Connection> {
    return this.connection(1);
  }
}

export interface ToldTopic {
  readonly name: string;
  readonly id: string;
  /** by partition; −1: none */
  readonly leaders: readonly number[];
}

const LEADER_NOT_AVAILABLE = 5;

export function metadataAnswer(topics: readonly ToldTopic[]): Writer {
  return Writer.create()
    .appendInt32(0)
    .appendArray([], () => undefined)
    .appendString('cluster')
    .appendInt32(1)
    .appendArray([...topics], (writer, { name, id, leaders }) => {
      writer
        .appendInt16(0)
        .appendString(name)
        .appendUUID(id)
        .appendBoolean(false)
        .appendArray([...leaders], (partition, leader, index) => {
          partition
            .appendInt16(leader < 0 ? LEADER_NOT_AVAILABLE : 0)
            .appendInt32(index)
            .appendInt32(leader)
            .appendInt32(0);
          for (let list = 0; list < 3; list += 1) partition.appendArray([], () => undefined);
        })
        .appendInt32(0);
    })
    .appendTaggedFields();
}

export interface AskedPart {
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
}

/** The partitions of a Fetch request, in its order. */
export function fetchRequest(request: Reader): AskedPart[] {
  const asked: AskedPart[] = [];
  // how long, how many bytes, isolation, session
  request.skip(4 + 4 + 4 + 1 + 4 + 4);
  request.readArray((topic) => {
    const topicId = topic.readUUID();
    topic.readArray((part) => {
      const partition = part.readInt32();
      part.readInt32();
      asked.push({ topicId, partition, offset: Number(part.readInt64()) });
      part.skip(4 + 8 + 4);
    });
  });
  return asked;
}

export interface ToldPart extends AskedPart {
  readonly errorCode?: number;
  readonly bytes?: Buffer;
}

/** `offset` is what may be read next to the end. */
export function fetchAnswer(parts: readonly ToldPart[]): Writer {
  return Writer.create()
    .appendInt32(0)
    .appendInt16(0)
    .appendInt32(0)
    .appendArray([...parts], (writer, { topicId, partition, offset, errorCode = 0, bytes = Buffer.alloc(0) }) => {
      writer.appendUUID(topicId).appendArray([partition], (part) => {
        part
          .appendInt32(partition)
          .appendInt16(errorCode)
          .appendInt64(BigInt(offset))
          .appendInt64(BigInt(offset))
          .appendInt64(0n)
          .appendArray([], () => undefined)
          .appendInt32(-1)
          .appendBytes(bytes);
      });
    })
    .appendTaggedFields();
}

export interface ToldBatch {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly baseOffset: number;
}

export function produceAnswer(batches: readonly ToldBatch[]): Writer {
  return Writer.create()
    .appendArray([...batches], (writer, { topic, partition, errorCode, baseOffset }) => {
      writer.appendString(topic).appendArray([partition], (part) => {
        part
          .appendInt32(partition)
          .appendInt16(errorCode)
          .appendInt64(BigInt(baseOffset))
          .appendInt64(-1n)
          .appendInt64(0n)
          .appendArray([], () => undefined)
          .appendString(null);
      });
    })
    .appendInt32(0)
    .appendTaggedFields();
}

export function transactionsAnswer(ids: readonly string[]): Writer {
  return Writer.create()
    .appendInt32(0)
    .appendInt16(0)
    .appendArray([], () => undefined)
    .appendArray([...ids], (writer, id) => {
      writer.appendString(id).appendInt64(1n).appendString('Ongoing');
    })
    .appendTaggedFields();
}
