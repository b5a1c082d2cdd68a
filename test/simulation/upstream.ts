// Who produces the inputs: in their order, in parts, with marks that say how far each partition is complete. Its requests get lost
// and are repeated too; it never produces a record twice by itself.
import { type Log, partitionId } from '../../streams/log.ts';
import { MemoryLog } from '../../streams/testing/memory-log.ts';
import { WATERMARKS } from './instance.ts';
import { type Random } from './random.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { type SourceRecord, type Workload } from './workload.ts';
import { type World } from './world.ts';

const RETRY_FOR_MS = 600_000;

export class Upstream {
  readonly #world: World;
  readonly #workload: Workload;
  readonly #random: Random;
  readonly #log: Log;
  readonly #produced = new Map<string, number>();
  /** by partition: up to where it is complete before its n-th record comes */
  readonly #completeMs = new Map<string, readonly number[]>();
  done = false;

  constructor(world: World, workload: Workload) {
    this.#world = world;
    this.#workload = workload;
    this.#random = world.random.fork();
    const process = new SimulatedProcess(world, 'upstream', 0);
    const { clock, network } = process;
    for (const [id, records] of Map.groupBy(workload.inputs, partitionId))
      this.#completeMs.set(id, completeBefore(records, workload.endMs));
    this.#log = new MemoryLog({ broker: world.broker, clock, network, clientId: 'upstream', retryForMs: RETRY_FOR_MS });
  }

  /** @param spanMs over which the inputs are spread */
  async run(spanMs: number): Promise<void> {
    const { inputs, live } = this.#workload;
    const writer = this.#log.writer();
    const parts = this.#parts(inputs);
    for (const part of parts) {
      await this.#world.time.sleep((this.#random.next() * 2 * spanMs) / parts.length);
      await writer.append(part);
      for (const record of part) {
        const id = partitionId(record);
        this.#produced.set(id, (this.#produced.get(id) ?? 0) + 1);
      }
      if (!live && this.#random.chance(0.7)) await writer.append([this.#marks()]);
    }
    if (!live) await writer.append([this.#marks()]);
    this.done = true;
    this.#world.note('upstream', 'is done');
  }

  /** Neighbours in time, some alone and some many at once. */
  #parts(inputs: readonly SourceRecord[]): SourceRecord[][] {
    const parts: SourceRecord[][] = [];
    for (let at = 0; at < inputs.length;) {
      const length = this.#random.int(1, this.#random.chance(0.3) ? Math.max(30, inputs.length / 10) : 4);
      parts.push(inputs.slice(at, at + length));
      at += length;
    }
    return parts;
  }

  #marks(): SourceRecord {
    const { sources, endMs } = this.#workload;
    const marks = [...sources].flatMap(([topic, partitions]) =>
      Array.from({ length: partitions }, (_, partition) => {
        const id = partitionId({ topic, partition });
        const offset = this.#produced.get(id) ?? 0;
        const event_time = this.#completeMs.get(id)?.[offset] ?? endMs;
        return { topic, partition, lane: 0, event_time, offset, live: false };
      }),
    );
    return {
      ...{ topic: WATERMARKS, partition: 0, timestampMs: 0, key: Buffer.from('upstream') },
      value: Buffer.from(JSON.stringify(marks)),
    };
  }
}

/** What may still come is later than this. */
function completeBefore(records: readonly SourceRecord[], endMs: number): number[] {
  const complete = [endMs];
  for (const { timestampMs } of records.toReversed())
    complete.push(Math.min(complete.at(-1) ?? endMs, timestampMs - 1));
  return complete.reverse();
}
