// The Fetch request (version 17), read committed; record batches are handed on undecoded.
import { type AbortedTransaction } from '../../streams/record-batch.ts';
import { type Connection, type Reader, Writer } from './library.ts';

const FETCH = 1;
const VERSION = 17;
const READ_COMMITTED = 1;

export interface FetchPart {
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
}

export interface FetchedPart {
  readonly topicId: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly aborted: readonly AbortedTransaction[];
  readonly bytes: Buffer;
}

export interface FetchBounds {
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  readonly partitionMaxBytes: number;
}

/** @param parts those that come first are served first: of the others only what leaves them within the bounds */
export function fetchBatches(
  connection: Connection,
  bounds: FetchBounds,
  parts: readonly FetchPart[],
): Promise<FetchedPart[]> {
  return new Promise((resolve, reject) => {
    connection.send(
      FETCH,
      VERSION,
      () => request(bounds, parts),
      (_correlationId, _key, _version, reader) => parse(reader),
      true,
      true,
      (error, answer) => (error === null ? resolve(answer ?? []) : reject(error)),
    );
  });
}

function request(bounds: FetchBounds, parts: readonly FetchPart[]): Writer {
  return Writer.create()
    .appendInt32(bounds.maxWaitMs)
    .appendInt32(1)
    .appendInt32(bounds.maxBytes)
    .appendInt8(READ_COMMITTED)
    .appendInt32(0)
    .appendInt32(-1)
    .appendArray(runsOfTopics(parts), (topicWriter, partitions) => {
      topicWriter.appendUUID(partitions[0]?.topicId ?? '').appendArray(partitions, (writer, { partition, offset }) => {
        writer
          .appendInt32(partition)
          .appendInt32(-1)
          .appendInt64(BigInt(offset))
          .appendInt32(-1)
          .appendInt64(-1n)
          .appendInt32(bounds.partitionMaxBytes);
      });
    })
    .appendArray([], () => undefined)
    .appendString('')
    .appendTaggedFields();
}

/** In the order of `parts`, which the broker keeps to: a topic comes again where another one lies between. */
function runsOfTopics(parts: readonly FetchPart[]): FetchPart[][] {
  const runs: FetchPart[][] = [];
  for (const part of parts) {
    const last = runs.at(-1);
    if (last?.[0]?.topicId === part.topicId) last.push(part);
    else runs.push([part]);
  }
  return runs;
}

function parse(reader: Reader): FetchedPart[] {
  const fetched: FetchedPart[] = [];
  reader.readInt32();
  reader.readInt16();
  reader.readInt32();
  reader.readArray((topicReader) => {
    const topicId = topicReader.readUUID();
    topicReader.readArray((partitionReader) => {
      fetched.push(parsePart(topicId, partitionReader));
    });
  });
  return fetched;
}

function parsePart(topicId: string, reader: Reader): FetchedPart {
  const partition = reader.readInt32();
  const errorCode = reader.readInt16();
  reader.readInt64();
  const lastStableOffset = Number(reader.readInt64());
  const logStartOffset = Number(reader.readInt64());
  const aborted =
    reader.readNullableArray((abortedReader) => ({
      producerId: abortedReader.readInt64(),
      firstOffset: Number(abortedReader.readInt64()),
    })) ?? [];
  reader.readInt32();
  const bytes = reader.readNullableBytes() ?? Buffer.alloc(0);
  return { topicId, partition, errorCode, lastStableOffset, logStartOffset, aborted, bytes };
}
