// Ways in which an engine could be wrong, put between it and its ports: each must be noticed by the simulation.
import {
  type AssignmentListener,
  type CommittedOffset,
  type EncodedBatch,
  type Log,
  type LogAdmin,
  type LogReader,
  type Membership,
  type NewRecord,
  type TransactionSession,
  partitionId,
} from '../../streams/log.ts';
import { POSITION_KEY, positionIn, positionWrite } from '../../streams/state/position.ts';
import { type StateStore, type StateStores, type StoreWrite } from '../../streams/store.ts';
import { recordsOfBatch } from '../../streams/testing/memory-slab.ts';
import { MemoryMembership } from '../../streams/testing/memory-membership.ts';
import { type Mutation } from './instance.ts';

/** The same session with some of its calls replaced. */
export function changed(session: TransactionSession, by: Partial<TransactionSession>): TransactionSession {
  return {
    isTransactional: session.isTransactional,
    begin: by.begin ?? (() => session.begin()),
    append: by.append ?? ((records) => session.append(records)),
    appendEncoded: by.appendEncoded ?? ((batches) => session.appendEncoded(batches)),
    commitOffsets: by.commitOffsets ?? ((membership, offsets) => session.commitOffsets(membership, offsets)),
    commit: by.commit ?? (() => session.commit()),
    abort: by.abort ?? (() => session.abort()),
    close: () => session.close(),
  };
}

function changedAdmin(admin: LogAdmin, by: Partial<LogAdmin>): LogAdmin {
  return {
    ensureTopics: (topics) => admin.ensureTopics(topics),
    partitionsOf: (topics) => admin.partitionsOf(topics),
    listTopics: () => admin.listTopics(),
    deleteTopics: (topics) => admin.deleteTopics(topics),
    offsets: by.offsets ?? ((partitions) => admin.offsets(partitions)),
    groupOffsets: (group) => admin.groupOffsets(group),
    deleteRecords: by.deleteRecords ?? ((before) => admin.deleteRecords(before)),
    memberAddresses: (group) => admin.memberAddresses(group),
    close: () => admin.close(),
  };
}

interface ChangedLog {
  reader?(reader: LogReader): LogReader;
  session?(session: TransactionSession): TransactionSession;
  membership?(membership: Membership): Membership;
  admin?(admin: LogAdmin): LogAdmin;
}

export function changedLog(log: Log, by: ChangedLog): Log {
  return {
    reader: () => {
      const reader = log.reader();
      return by.reader?.(reader) ?? reader;
    },
    writer: () => log.writer(),
    transactions: async (id, timeoutMs) => {
      const session = await log.transactions(id, timeoutMs);
      return by.session?.(session) ?? session;
    },
    atLeastOnce: () => log.atLeastOnce(),
    membership: (options) => {
      const membership = log.membership(options);
      return by.membership?.(membership) ?? membership;
    },
    admin: () => {
      const admin = log.admin();
      return by.admin?.(admin) ?? admin;
    },
    close: () => log.close(),
  };
}

/** Kept as it is, its listener changed: sessions insist on a membership of their own log. */
function listening(membership: Membership, by: (listener: AssignmentListener) => AssignmentListener): Membership {
  const start = membership.start.bind(membership);
  membership.start = (listener) => start(by(listener));
  return membership;
}

type Offsets = { readonly membership: Membership; readonly offsets: readonly CommittedOffset[] };

function offsetsApart(first: 'offsets' | 'outputs'): (session: TransactionSession) => TransactionSession {
  return (session) => {
    let held: Offsets | null = null;
    const inAnother = async (): Promise<void> => {
      if (held === null) return;
      session.begin();
      await session.commitOffsets(held.membership, held.offsets);
      await session.commit();
      held = null;
    };
    if (first === 'outputs')
      return changed(session, {
        commitOffsets: async (membership, offsets) => {
          held = { membership, offsets };
        },
        commit: async () => {
          await session.commit();
          await inAnother();
        },
      });
    // outputs wait until the offsets have been committed by themselves
    const waiting: (() => Promise<unknown>)[] = [];
    return changed(session, {
      append: async (records) => {
        const isLast = records.some(({ topic }) => topic === 'watermarks');
        if (isLast) return session.append(records);
        waiting.push(() => session.append(records));
        return [];
      },
      commitOffsets: async (membership, offsets) => {
        held = { membership, offsets };
      },
      commit: async () => {
        await session.commit();
        await inAnother();
        session.begin();
        for (const append of waiting.splice(0)) await append();
        await session.commit();
      },
    });
  };
}

export function everySoOften(every: number): () => boolean {
  let count = 0;
  return () => {
    count += 1;
    return count % every === 0;
  };
}

export const isChangelog = ({ topic }: { readonly topic: string }): boolean => topic.startsWith('changelog.');

/** Writes changes to the local store when they are appended, committed or not. */
function storeFirst(): Mutation {
  const open = new Map<string, StateStore>();
  const storeOf = (record: NewRecord): StateStore | undefined => {
    const name = record.topic.slice('changelog.'.length);
    return [...open].find(([store]) => store.endsWith(`.${name}-${record.partition}`))?.[1];
  };
  const apply = async (records: readonly NewRecord[]): Promise<void> => {
    for (const record of records.filter(isChangelog)) {
      const { key, value } = record;
      if (key !== null) await storeOf(record)?.write([{ key, value }]);
    }
  };
  return {
    name: 'the local store is written before the commit',
    log: (log) =>
      changedLog(log, {
        session: (session) =>
          changed(session, {
            append: async (records) => {
              await apply(records);
              return session.append(records);
            },
            appendEncoded: async (batches: readonly EncodedBatch[]) => {
              for (const batch of batches)
                await apply(recordsOfBatch(batch).map((record) => ({ ...record, ...place(batch) })));
              return session.appendEncoded(batches);
            },
          }),
      }),
    stores: (stores) =>
      changedStores(stores, (store, name) => {
        open.set(name, store);
        return store;
      }),
  };
}

const place = ({ topic, partition }: EncodedBatch) => ({ topic, partition });

export function changedStores(stores: StateStores, by: (store: StateStore, name: string) => StateStore): StateStores {
  return {
    open: async (name) => by(await stores.open(name), name),
    destroy: (name) => stores.destroy(name),
    names: () => stores.names(),
  };
}

interface ChangedStore {
  write?(writes: readonly StoreWrite[]): readonly StoreWrite[];
  /** a value that is read by its key */
  read?(key: Buffer, value: Buffer | null): Buffer | null;
}

function changedStore(store: StateStore, by: ChangedStore): StateStore {
  return {
    multiGet: async (keys) => {
      const values = await store.multiGet(keys);
      return keys.map((key, index) => by.read?.(key, values[index] ?? null) ?? values[index] ?? null);
    },
    write: (writes) => store.write(by.write?.(writes) ?? writes),
    scan: (range) => store.scan(range),
    close: () => store.close(),
  };
}

function ahead({ key, value }: StoreWrite): StoreWrite {
  if (!key.equals(POSITION_KEY) || value === null) return { key, value };
  const position = positionIn(value);
  return positionWrite({ ...position, nextOffset: position.nextOffset + 2 });
}

export const MUTATIONS: readonly (() => Mutation)[] = [
  () => ({
    name: 'offsets are committed after the outputs, by themselves',
    log: (log) => changedLog(log, { session: offsetsApart('outputs') }),
  }),
  () => ({
    name: 'offsets are committed before the outputs, by themselves',
    log: (log) => changedLog(log, { session: offsetsApart('offsets') }),
  }),
  () => ({
    name: 'offsets are not fenced by the generation',
    log: (log) =>
      changedLog(log, {
        membership: (membership) => {
          if (membership instanceof MemoryMembership) membership.withGeneration = (call) => call('', -1);
          return membership;
        },
      }),
  }),
  () => ({
    name: 'what is revoked is given away at once, and committed later',
    log: (log) =>
      changedLog(log, {
        membership: (membership) =>
          listening(membership, (listener) => ({
            assigned: (partitions) => listener.assigned(partitions),
            lost: (partitions) => listener.lost(partitions),
            revoked: async (partitions) => {
              listener.revoked(partitions).catch(() => undefined);
            },
          })),
      }),
  }),
  () => ({
    name: 'a member that was thrown out goes on with its tasks',
    log: (log) =>
      changedLog(log, {
        membership: (membership) =>
          listening(membership, (listener) => ({
            assigned: (partitions) => listener.assigned(partitions),
            revoked: (partitions) => listener.revoked(partitions),
            lost: async () => undefined,
          })),
      }),
  }),
  storeFirst,
  () => {
    const isDropped = everySoOften(7);
    return {
      name: 'now and then a changed key is not written to the changelog',
      log: (log) =>
        changedLog(log, {
          session: (session) =>
            changed(session, {
              append: (records) => session.append(records.filter((record) => !isChangelog(record) || !isDropped())),
            }),
        }),
    };
  },
  () => {
    const isDropped = everySoOften(5);
    return {
      name: 'now and then a changed key is not written to the local store',
      stores: (stores) =>
        changedStores(stores, (store) =>
          changedStore(store, { write: (writes) => writes.filter(({ key }) => key[0] === 0 || !isDropped()) }),
        ),
    };
  },
  () => ({
    name: 'a local store claims to have more of its changelog than it has',
    stores: (stores) => changedStores(stores, (store) => changedStore(store, { write: (writes) => writes.map(ahead) })),
  }),
  () => ({
    name: 'a local store claims to have followed its changelog until now',
    stores: (stores, { clock }) =>
      changedStores(stores, (store) =>
        changedStore(store, {
          read: (key, value) => {
            if (!key.equals(POSITION_KEY) || value === null) return value;
            return positionWrite({ ...positionIn(value), asOfMs: clock.nowMs() }).value;
          },
        }),
      ),
  }),
  () => ({
    name: 'a state is restored only as far as its changelog can be read just now',
    log: (log) =>
      changedLog(log, {
        admin: (admin) =>
          changedAdmin(admin, {
            offsets: async (partitions) => {
              const bounds = await admin.offsets(partitions);
              return bounds.map((one) => (isChangelog(one) ? { ...one, highWatermark: one.end } : one));
            },
          }),
      }),
  }),
  () => ({
    name: 'of internal topics everything is deleted, committed or not',
    log: (log) =>
      changedLog(log, {
        admin: (admin) =>
          changedAdmin(admin, {
            deleteRecords: async (before) => {
              const bounds = await admin.offsets(before);
              await admin.deleteRecords(bounds.map(({ topic, partition, end }) => ({ topic, partition, offset: end })));
            },
          }),
      }),
  }),
  () => ({
    name: 'how far each lane was taken is not committed with the offsets',
    log: (log) =>
      changedLog(log, {
        session: (session) =>
          changed(session, {
            commitOffsets: (membership, offsets) =>
              session.commitOffsets(
                membership,
                offsets.map((offset) => ({ ...offset, metadata: '' })),
              ),
          }),
      }),
  }),
  () => {
    const seen = new Map<string, number>();
    return {
      name: 'marks promise what was written last time, not what is written now',
      log: (log) =>
        changedLog(log, {
          session: (session) =>
            changed(session, {
              append: async (records) => {
                const appended = await session.append(records);
                return appended.map((part) => {
                  const before = seen.get(partitionId(part)) ?? 0;
                  seen.set(partitionId(part), part.firstOffset + part.count);
                  return isChangelog(part) || part.topic === 'watermarks'
                    ? part
                    : { ...part, firstOffset: before, count: 0 };
                });
              },
            }),
        }),
    };
  },
];
