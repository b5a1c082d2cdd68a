// The Produce request (version 11) with record batches that were encoded before.
import { type EncodedBatch, type TopicPartition } from '../../streams/log.ts';
import { type Connection, type Reader, Writer } from './library.ts';

const PRODUCE = 0;
const VERSION = 11;
const ALL_REPLICAS = -1;

export interface ProducedPartition extends TopicPartition {
  readonly errorCode: number;
  readonly baseOffset: number;
}

export function produce(
  connection: Connection,
  transactionalId: string | null,
  timeoutMs: number,
  batches: readonly EncodedBatch[],
): Promise<ProducedPartition[]> {
  return new Promise((resolve, reject) => {
    connection.send(
      PRODUCE,
      VERSION,
      () => request(transactionalId, timeoutMs, batches),
      (_correlationId, _key, _version, reader) => parse(reader),
      true,
      true,
      (error, answer) => (error === null ? resolve(answer ?? []) : reject(error)),
    );
  });
}

function request(transactionalId: string | null, timeoutMs: number, batches: readonly EncodedBatch[]): Writer {
  const byTopic = Map.groupBy(batches, (batch) => batch.topic);
  return Writer.create()
    .appendString(transactionalId)
    .appendInt16(ALL_REPLICAS)
    .appendInt32(timeoutMs)
    .appendArray([...byTopic], (topicWriter, [topic, parts]) => {
      topicWriter.appendString(topic).appendArray(parts, (writer, { partition, bytes }) => {
        writer
          .appendInt32(partition)
          .appendUnsignedVarInt(bytes.length + 1)
          .append(bytes);
      });
    })
    .appendTaggedFields();
}

function parse(reader: Reader): ProducedPartition[] {
  const produced: ProducedPartition[] = [];
  reader.readArray((topicReader) => {
    const topic = topicReader.readString();
    topicReader.readArray((partitionReader) => {
      const partition = partitionReader.readInt32();
      const errorCode = partitionReader.readInt16();
      const baseOffset = Number(partitionReader.readInt64());
      partitionReader.readInt64();
      partitionReader.readInt64();
      partitionReader.readArray((errorReader) => {
        errorReader.readInt32();
        return errorReader.readNullableString();
      });
      partitionReader.readNullableString();
      produced.push({ topic, partition, errorCode, baseOffset });
    });
  });
  return produced;
}
