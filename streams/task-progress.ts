// What stands beside a committed offset: the task's time, and how far each lane was taken beyond the offset. Kafka takes 4096 bytes
// there, so the lanes are packed: pairs of (lane, records beyond the offset), as base64url.
import { type InputPartition } from './input-partition.ts';
import { type Lane, NEVER_MS } from './lane.ts';
import { type PartsMark } from './moved-parts.ts';
import { Packer, Unpacker } from './packing.ts';

/** With 200 parts and positions 2^27 records ahead of the offset in each lane it still fits. */
export const LANES_MAX = 400;

export interface Progress extends Partial<PartsMark> {
  readonly timeMs: number;
  /** of lanes that were taken beyond the committed offset: the last offset that was */
  readonly lanes: ReadonlyMap<number, number>;
  /** records before this offset were decoded: those that were refused are in the dead letters; absent: the committed offset */
  readonly decoded?: number;
}

interface Told extends Partial<PartsMark> {
  readonly timeMs: number;
  /** by lane, as it was told before lanes were packed; or packed */
  readonly lanes: Readonly<Record<string, number>> | string;
  readonly decoded?: number;
}

/** @param offset the committed one, at or before the offsets of all `lanes` */
export function progressText({ lanes, ...rest }: Progress, offset: number): string {
  const packer = new Packer();
  let before = 0;
  for (const [lane, last] of [...lanes].sort(([one], [other]) => one - other)) {
    packer.uint(lane - before).uint(last - offset);
    before = lane;
  }
  return JSON.stringify({ ...rest, lanes: packer.done().toString('base64url') } satisfies Told);
}

/** @param processedOf the last record that was handled of each lane, since the task was made */
export function writeProgress(
  { lanes, firstOffset, decodedTo }: Pick<InputPartition, 'lanes' | 'firstOffset' | 'decodedTo'>,
  processedOf: ReadonlyMap<Lane, number>,
  timeMs: number,
  parts: PartsMark | null,
): string {
  const processed = new Map<number, number>();
  for (const lane of lanes) {
    const last = processedOf.get(lane) ?? lane.processedOffset;
    if (last >= firstOffset) processed.set(lane.lane, last);
  }
  const decoded = decodedTo > firstOffset ? { decoded: decodedTo } : {};
  return progressText({ timeMs, lanes: processed, ...decoded, ...parts }, firstOffset);
}

/** @param offset the committed one that it stands beside */
export function readProgress(text: string, offset: number): Progress {
  if (text === '') return { timeMs: NEVER_MS, lanes: new Map() };
  const { lanes, ...rest } = JSON.parse(text) as Told;
  if (typeof lanes === 'string') return { ...rest, lanes: unpacked(lanes, offset) };
  return { ...rest, lanes: new Map(Object.entries(lanes).map(([lane, last]) => [Number(lane), last])) };
}

function unpacked(packed: string, offset: number): Map<number, number> {
  const unpacker = new Unpacker(Buffer.from(packed, 'base64url'), 'progress beside a committed offset');
  const lanes = new Map<number, number>();
  for (let lane = 0; unpacker.left > 0;) {
    lane += unpacker.uint();
    lanes.set(lane, unpacker.uint() + offset);
  }
  return lanes;
}
