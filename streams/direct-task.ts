// One partition of a direct sub-topology: its queue of slabs, its rows, its open batches.
import { type Clock } from './clock.ts';
import { type DirectContext, type DirectProcessor, type DirectSubTopology } from './direct.ts';
import { NEVER_MS } from './lane.ts';
import { type CommittedOffset, type EncodedBatch, type Fetched, type RecordSlab, type TopicPartition } from './log.ts';
import { OutputBatches } from './output-batches.ts';
import { Standing } from './queries/standing.ts';
import { type ReadableRows } from './state/committed-rows.ts';
import { type ChangelogEnd, NO_POSITION } from './state/position.ts';
import { type RowTable } from './state/row-table.ts';
import { type OutputLane } from './processor.ts';
import { Renewal } from './renewal.ts';
import { isSlabRecordForAnother } from './returned-records.ts';
import { type StoreWrite } from './store.ts';
import { type FailurePolicies, SetAside } from './failure-policies.ts';
import { type TaskCommit } from './task-commit.ts';
import { type TaskInput } from './task.ts';

/** Outputs that are committed before the interval is over: bounds a transaction. */
const OUTPUT_BYTES_MAX = 8 * 1024 * 1024;
/** Between two looks at the clock: some 200 µs of work. */
const STRETCH_RECORDS = 100;
/** Rows go to the local store this often, or sooner: what a killed instance has to read again from its changelog is no more than this. */
export const STORE_EVERY_MS = 2000;
/** Above this many queued records the partition is paused. */
const QUEUED_RECORDS_MAX = 20_000;
const PREPARED = Promise.resolve();

export interface DirectTaskOptions {
  /** id of the application */
  readonly application: string;
  readonly topology: DirectSubTopology;
  readonly input: TaskInput;
  readonly rows: RowTable | null;
  readonly changelog: TopicPartition | null;
  readonly clock: Clock;
  readonly schemas: DirectContext['schemas'];
  readonly policies: FailurePolicies;
}

export class DirectTask {
  readonly kind = 'direct';
  readonly name: string;
  readonly topologyName: string;
  readonly partition: number;
  readonly inputs: readonly TaskInput[];
  readonly outputLanes: readonly OutputLane[] = [];
  /** for who reads its rows from outside */
  readonly standing: Standing;
  readonly #options: DirectTaskOptions;
  readonly #input: TaskInput;
  readonly #rows: RowTable | null;
  readonly #outputs = new OutputBatches();
  readonly #changelog = new OutputBatches();
  readonly #processor: DirectProcessor;
  readonly #setAside: SetAside;
  readonly #queue: RecordSlab[] = [];
  #queued = 0;
  /** next record of the first slab */
  #next = 0;
  #isPrepared = false;
  #preparing: Promise<void> | null = null;
  /** behind the last record handled, control records that were read past included */
  #doneOffset: number;
  #fetchedOffset: number;
  #drawnOffset: number;
  #storedAtMs = 0;
  #storing: Promise<void> | null = null;
  #storeFailure: Error | null = null;
  #changelogEnd: ChangelogEnd = NO_POSITION;
  /** wall clock at the last commit's draw: by then nobody else had written to the changelog */
  #committedAsOfMs = 0;
  readonly #renewal: Renewal;
  steppedCount = 0;

  constructor(options: DirectTaskOptions) {
    const { topology, input, rows } = options;
    this.#options = options;
    this.#setAside = new SetAside(options.policies);
    this.#input = input;
    this.#rows = rows;
    this.#renewal = new Renewal(options.clock);
    this.topologyName = topology.name;
    this.partition = input.partition;
    this.name = `${topology.name}-${input.partition}`;
    this.inputs = [input];
    this.standing = new Standing(this.inputs);
    this.#doneOffset = this.#fetchedOffset = this.#drawnOffset = input.offset;
    this.#processor = topology.create({
      partition: input.partition,
      rows,
      outputs: this.#outputs,
      schemas: options.schemas,
      deadLetter: (slab, index, failure, stage) => this.#setAside.add(slab.recordOf(index), failure, stage),
    });
  }

  reads({ topic, partition }: TopicPartition): boolean {
    return topic === this.#input.topic && partition === this.#input.partition;
  }

  take({ slabs, nextOffset }: Fetched): void {
    for (const slab of slabs) {
      this.#queue.push(slab);
      this.#queued += slab.count;
    }
    this.#fetchedOffset = nextOffset;
    if (this.#queue.length === 0) this.#doneOffset = nextOffset;
  }

  queued(at: TopicPartition): number {
    return this.reads(at) ? this.#queued : 0;
  }

  wantsPause(): boolean {
    return this.#queued > QUEUED_RECORDS_MAX;
  }

  wantsMore(): boolean {
    return this.#queued < QUEUED_RECORDS_MAX / 4;
  }

  /** What was committed, by key; null: it keeps nothing. */
  get committedRows(): ReadableRows | null {
    return this.#rows?.committed ?? null;
  }

  get keys(): number {
    return this.#rows?.cachedRows ?? 0;
  }

  get timeMs(): number {
    return this.#queue.length === 0 && this.#processor.timeMs === NEVER_MS ? NEVER_MS : this.#processor.timeMs;
  }

  /** Whether it has as much to write as a transaction should hold. */
  get isFull(): boolean {
    return this.#outputs.sizeBytes > OUTPUT_BYTES_MAX || this.#rows?.isFull === true;
  }

  /** Fetches what the next slab needs: rows that are not in memory, schemas. Who calls it again meanwhile waits for the same. */
  prepare(): Promise<void> {
    const slab = this.#queue[0];
    if (slab === undefined || this.#isPrepared) return PREPARED;
    this.#preparing ??= this.#prepare(slab).finally(() => {
      this.#preparing = null;
    });
    return this.#preparing;
  }

  async #prepare(slab: RecordSlab): Promise<void> {
    if (this.#rows?.needsLoading === true) await this.#rows.load(slab);
    await this.#processor.prepare?.(slab);
    this.#isPrepared = true;
  }

  /** Handles records until `isOver`, or until nothing is ready. Gives whether more is. */
  process(isOver: () => boolean): boolean {
    for (;;) {
      const slab = this.#queue[0];
      if (slab === undefined) return false;
      if (!this.#isPrepared && this.#mustPrepare) return true;
      const to = Math.min(slab.count, this.#next + STRETCH_RECORDS);
      this.#processOwn(slab, this.#next, to);
      this.#outputs.roll();
      this.steppedCount += to - this.#next;
      this.#queued -= to - this.#next;
      this.#doneOffset = (slab.offsets[to - 1] ?? 0) + 1;
      this.#next = to;
      if (to === slab.count) this.#endSlab();
      if (isOver()) return this.#queue.length > 0;
    }
  }

  /** The records [from, to) without those that were put back for another application. */
  #processOwn(slab: RecordSlab, from: number, to: number): void {
    const { application } = this.#options;
    let start = from;
    for (let index = from; index < to; index += 1) {
      if (!isSlabRecordForAnother(slab, index, application)) continue;
      if (index > start) this.#processor.process(slab, start, index);
      start = index + 1;
    }
    if (to > start) this.#processor.process(slab, start, to);
  }

  #endSlab(): void {
    this.#queue.shift();
    this.#next = 0;
    this.#isPrepared = false;
    if (this.#queue.length === 0) this.#doneOffset = this.#fetchedOffset;
    this.#rows?.sweep();
  }

  get #mustPrepare(): boolean {
    return this.#processor.prepare !== undefined || this.#rows?.needsLoading === true;
  }

  get dirty(): boolean {
    const hasUncommitted = this.#doneOffset !== this.#drawnOffset || !this.#outputs.isEmpty || !this.#setAside.isEmpty;
    return hasUncommitted || this.#isRenewalDue;
  }

  /** Whether the store should say again that it has everything: a commit is the proof. */
  get #isRenewalDue(): boolean {
    return this.#rows !== null && this.#renewal.isDue;
  }

  /** Outputs so far, to be appended ahead of the commit. */
  drawOutputs(): Pick<TaskCommit, 'records' | 'batches' | 'deadLetters'> {
    return { records: [], batches: this.#outputs.take(), deadLetters: this.#setAside.take() };
  }

  /** Everything up to now, for one commit. @throws what the local store threw last */
  draw(): TaskCommit {
    if (this.#storeFailure !== null) throw this.#storeFailure;
    const { changelog, clock } = this.#options;
    const { batches, deadLetters } = this.drawOutputs();
    let changes: readonly EncodedBatch[] = [];
    let storeWrites: readonly StoreWrite[] | null = null;
    if (this.#rows !== null && changelog !== null && this.#rows.hasChanged) {
      this.#rows.drawChangelog(this.#changelog, changelog);
      changes = this.#changelog.take();
    }
    const asOfMs = clock.nowMs();
    const isRenewal = this.#renewal.take();
    if (this.#rows !== null && this.#storing === null && this.#isStoreDue(this.#rows)) {
      storeWrites = this.#rows.drawStore();
      this.#storedAtMs = clock.monotonicMs();
    }
    this.#drawnOffset = this.#doneOffset;
    const { topic, partition } = this.#input;
    const offset: CommittedOffset = { topic, partition, offset: this.#doneOffset, metadata: '' };
    return {
      records: [],
      batches,
      changes: { records: [], batches: changes },
      deadLetters,
      offsets: [offset],
      watermark: null,
      changelog,
      committed: async (changelogEnd) => {
        this.#rows?.committed.committed(changes);
        this.standing.moved([offset]);
        this.#committedAsOfMs = asOfMs;
        this.#committed(storeWrites, changelogEnd, isRenewal);
      },
    };
  }

  #isStoreDue(rows: RowTable): boolean {
    return rows.isStoreDue || this.#options.clock.monotonicMs() - this.#storedAtMs >= STORE_EVERY_MS;
  }

  #committed(writes: readonly StoreWrite[] | null, changelogEnd: ChangelogEnd | null, isRenewal: boolean): void {
    if (changelogEnd !== null) this.#changelogEnd = changelogEnd;
    if (writes !== null && (writes.length > 0 || isRenewal)) this.#store(writes);
  }

  /** The next commit need not wait for the disk. */
  #store(writes: readonly StoreWrite[]): void {
    if (this.#rows === null) return;
    this.#storing = this.#rows.writeStore(writes, this.#changelogEnd, this.#committedAsOfMs).then(
      () => {
        this.#storing = null;
      },
      (error: unknown) => {
        this.#storing = null;
        this.#storeFailure = error instanceof Error ? error : new Error(String(error));
      },
    );
  }

  /**
   * Resolves when the local store has all that was committed: who starts next has nothing to read again, however this task ends. What
   * was handled and not committed never happened.
   */
  async close(): Promise<void> {
    await this.standing.close();
    await this.#preparing?.catch(() => undefined);
    await this.#storing;
    // where that fails the store is behind its changelog, as after a kill
    if (this.#storeFailure === null)
      await this.#rows?.storeCommitted(this.#changelogEnd, this.#committedAsOfMs).catch(() => undefined);
    await this.#rows?.close();
  }
}
