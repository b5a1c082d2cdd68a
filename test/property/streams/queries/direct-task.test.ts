// Reads of a direct task at any moment of its life: rows that are ahead of the commit, commits that are under way, a store that is
// behind, rows that memory has let go of. What is told of a key is what its committed output rows have counted, as of its newest event.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compile } from '../../../../streams/builder/compile.ts';
import { DirectTask } from '../../../../streams/direct-task.ts';
import { DEFAULT_POLICIES } from '../../../../streams/failure-policies.ts';
import { type EncodedBatch } from '../../../../streams/log.ts';
import { memoryStores } from '../../../../streams/memory-store.ts';
import { byKey } from '../../../../streams/queries/question.ts';
import { StateQueries } from '../../../../streams/queries/state-queries.ts';
import { decodeRecordBatches, encodeRecordBatch, stampBatch } from '../../../../streams/record-batch.ts';
import { recordsOf } from '../../../../streams/record-slab.ts';
import { RowTable } from '../../../../streams/state/row-table.ts';
import { POSITION_KEY, storedPosition } from '../../../../streams/state/position.ts';
import { type StateStore, type StateStores } from '../../../../streams/store.ts';
import { type TaskCommit } from '../../../../streams/task-commit.ts';
import { SimulatedTime } from '../../../../streams/testing/simulated-time.ts';
import { KEYS, type Payment, ToldWindows, payment, spending, valueOf } from './spent-windows.ts';

const INPUT = { topic: 'payments', partition: 0 };
const CHANGELOG = { topic: 'changelog', partition: 0 };
const PRODUCER = { producerId: 7n, epoch: 1, baseSequence: 0, transactional: true };

type Step =
  | { readonly kind: 'payments'; readonly payments: readonly Payment[] }
  | { readonly kind: 'draw' | 'commit' | 'write' | 'two seconds' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('payments' as const), payments: fc.array(payment, { minLength: 1, maxLength: 8 }) }),
  fc.record({ kind: fc.constantFrom('draw' as const, 'commit' as const, 'write' as const, 'two seconds' as const) }),
);

/** A store whose writes end when they are told to; and, if it `hurries`, just before a read gets its rows. */
class SlowStore implements StateStore {
  readonly #store: StateStore;
  readonly #hurries: boolean;
  #waiting: (() => Promise<void>)[] = [];

  constructor(store: StateStore, hurries: boolean) {
    this.#store = store;
    this.#hurries = hurries;
  }

  write(writes: Parameters<StateStore['write']>[0]): Promise<void> {
    const written = Promise.withResolvers<void>();
    this.#waiting.push(() => this.#store.write(writes).then(written.resolve));
    return written.promise;
  }

  async goOn(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const write of waiting) await write();
    await settled();
  }

  async multiGet(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]> {
    if (this.#hurries) await this.goOn();
    return this.#store.multiGet(keys);
  }

  async *scan(range: Parameters<StateStore['scan']>[0]): ReturnType<StateStore['scan']> {
    if (this.#hurries) await this.goOn();
    yield* this.#store.scan(range);
  }

  close = (): Promise<void> => this.#store.close();
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The task with what an application does for it, step by step. */
class Run {
  readonly #time = new SimulatedTime({ startMs: 0 });
  readonly #stores: StateStores;
  readonly #store: SlowStore;
  readonly #task: DirectTask;
  readonly #queries: StateQueries;
  readonly #drawn: TaskCommit[] = [];
  readonly #told = new ToldWindows();
  /** what the changelog says of each key */
  readonly #logged = new Map<string, Buffer | null>();
  #appended = 0;
  #committedTo = 0;
  #changelogEnd = 0;

  private constructor(stores: StateStores, store: SlowStore, cacheBytesMax: number) {
    this.#stores = stores;
    this.#store = store;
    const { spec } = compile(spending, {
      partitions: new Map(),
      internalTopic: (name) => name,
      changelogTopic: () => CHANGELOG.topic,
    });
    const [topology] = spec.subTopologies;
    if (topology?.kind !== 'direct' || topology.store === null) throw new Error('the windows are a direct stage');
    const serde = topology.store.serde;
    const { clock } = this.#time;
    this.#task = new DirectTask({
      application: 'test',
      ...{ topology, clock, schemas: null, policies: DEFAULT_POLICIES, changelog: CHANGELOG },
      input: { ...INPUT, offset: 0, metadata: '', global: false },
      rows: new RowTable(store, serde, cacheBytesMax, true),
    });
    this.#queries = new StateQueries({ spec, clock }, () => [this.#task]);
  }

  static async start(hurries: boolean, cacheBytesMax: number): Promise<Run> {
    const stores = memoryStores();
    return new Run(stores, new SlowStore(await stores.open('spent'), hurries), cacheBytesMax);
  }

  async take(step: Step): Promise<void> {
    if (step.kind === 'payments') await this.#handle(step.payments);
    else if (step.kind === 'draw') this.#draw();
    else if (step.kind === 'commit') await this.#commit();
    else if (step.kind === 'write') await this.#store.goOn();
    else await this.#time.advance(2000);
  }

  async #handle(payments: readonly Payment[]): Promise<void> {
    const bytes = encodeRecordBatch(
      payments.map((one) => ({
        ...{ ...INPUT, timestampMs: one.at, key: Buffer.from(one.key), value: Buffer.from(valueOf(one)) },
      })),
    );
    bytes.writeBigInt64BE(BigInt(this.#appended), 0);
    const { slabs, nextOffset } = decodeRecordBatches(bytes, INPUT, this.#appended, []);
    this.#appended = nextOffset;
    this.#task.take({ ...INPUT, slabs, records: [], nextOffset, endOffset: nextOffset });
    do await this.#task.prepare();
    while (this.#task.process(() => false));
  }

  #draw(): void {
    // as an application does: nothing is drawn before the last commit is over
    if (!this.#task.dirty || this.#drawn.length > 0) return;
    const drawn = this.#task.draw();
    // as a session does with what it is given
    for (const { bytes } of [...drawn.batches, ...drawn.changes.batches]) stampBatch(bytes, PRODUCER);
    this.#drawn.push(drawn);
  }

  /** Commits come one after the other; records may have been handled since it was drawn. */
  async #commit(): Promise<void> {
    const drawn = this.#drawn.shift();
    if (drawn === undefined) return;
    for (const { key, value } of drawn.batches.flatMap(recordsIn)) this.#told.count(String(key), value);
    for (const { key, value } of drawn.changes.batches.flatMap(recordsIn))
      this.#logged.set(key?.toString('latin1') ?? '', value);
    this.#committedTo = drawn.offsets[0]?.offset ?? -1;
    this.#changelogEnd += drawn.changes.batches.reduce((sum, { count }) => sum + count, 0);
    await drawn.committed({ nextOffset: this.#changelogEnd, logEnd: this.#changelogEnd });
  }

  async check(): Promise<void> {
    const expected = this.#told.told();
    const asked = { store: 'spent', partition: 0, waitMs: 0, atLeast: { payments: { 0: this.#committedTo - 1 } } };
    const all = await this.#queries.ask({ ...asked, wanted: { kind: 'keys', keys: [...KEYS, 'nobody'] } });
    assert.deepEqual([...(all?.rows ?? [])].sort(byKey), expected);
    assert.deepEqual(all?.position, { payments: { 0: this.#committedTo - 1 } });
    const range = await this.#queries.ask({ ...asked, wanted: { kind: 'range', from: null, to: null, limit: 100 } });
    assert.deepEqual(range?.rows, expected);
    const page = await this.#queries.ask({ ...asked, wanted: { kind: 'range', from: 'b', to: 'ß', limit: 2 } });
    assert.deepEqual(page?.rows, expected.filter(({ key }) => key >= 'b' && key < 'ß').slice(0, 2));
    const ahead = { ...asked, atLeast: { payments: { 0: this.#committedTo } } };
    const early = this.#queries.ask({ ...ahead, wanted: { kind: 'keys', keys: ['a'] } });
    const [refused] = await Promise.all([assert.rejects(early, { code: 'not_ready' }), this.#time.advance(0)]);
    assert.equal(refused, undefined);
  }

  /** Commits what is left, and closes the task. */
  async end(): Promise<void> {
    this.#draw();
    while (this.#drawn.length > 0) await this.#commit();
    await this.check();
    await this.leave();
  }

  /** Closes the task as it is: the store then has what was committed, whatever else was handled, drawn or appended. */
  async leave(): Promise<void> {
    const closed = this.#task.close();
    for (let turn = 0; turn < 4; turn += 1) await this.#store.goOn();
    await closed;
    const wanted = { kind: 'keys', keys: ['a'] } as const;
    assert.equal(await this.#queries.ask({ store: 'spent', partition: 0, wanted, atLeast: {}, waitMs: 0 }), null);
    const kept = await this.#stores.open('spent');
    const rows = new Map<string, Buffer | null>();
    for await (const { key, value } of kept.scan({}))
      if (!key.equals(POSITION_KEY)) rows.set(key.toString('latin1'), value);
    assert.deepEqual(inOrder(rows), inOrder(this.#logged));
    assert.equal((await storedPosition(kept)).nextOffset, this.#changelogEnd);
  }
}

function inOrder(rows: ReadonlyMap<string, Buffer | null>): (readonly [string, Buffer | null])[] {
  return [...rows].sort(([one], [other]) => (one < other ? -1 : 1));
}

function recordsIn({ bytes }: EncodedBatch) {
  return recordsOf(decodeRecordBatches(bytes, INPUT, 0, []).slabs);
}

test('what is told of a key is what its committed output rows have counted, whatever is under way; a closed store has all of it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60, size: 'max' }),
      fc.boolean(),
      fc.constantFrom(0, 3000, 7000, 1_000_000),
      fc.boolean(),
      async (steps, hurries, cacheBytesMax, isOrderly) => {
        const run = await Run.start(hurries, cacheBytesMax);
        for (const one of steps) {
          await run.take(one);
          await run.check();
        }
        await (isOrderly ? run.end() : run.leave());
      },
    ),
    { numRuns: 200 },
  );
});
