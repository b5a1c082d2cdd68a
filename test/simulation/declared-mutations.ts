// Ways in which an engine could be wrong that only declared topologies notice; as mutations.ts.
import { type Log, type LogReader, type NewRecord } from '../../streams/log.ts';
import { type ApplicationSpec, type SubTopology } from '../../streams/processor.ts';
import { type Mutation } from './instance.ts';
import { changed, changedLog, changedStores, everySoOften, isChangelog } from './mutations.ts';
import { type WORKLOADS } from './workloads.ts';

export interface DeclaredMutation {
  readonly workload: keyof typeof WORKLOADS;
  make(): Mutation;
}

type Create = SubTopology<never>['create'];

function changedTopologies(
  spec: ApplicationSpec,
  by: (topology: SubTopology<never>) => Partial<SubTopology<never>>,
): ApplicationSpec {
  return {
    ...spec,
    subTopologies: spec.subTopologies.map((topology) =>
      topology.kind === 'direct' ? topology : { ...topology, ...by(topology) },
    ),
  };
}

/** The marks that it writes say that more is complete. */
function hasty(records: readonly NewRecord[]): readonly NewRecord[] {
  return records.map((record) => {
    if (record.topic !== 'watermarks') return record;
    const marks = JSON.parse(record.value?.toString() ?? '') as { readonly event_time: number }[];
    return { ...record, value: Buffer.from(JSON.stringify(marks.map(later))) };
  });
}

const later = <T extends { readonly event_time: number }>(mark: T): T => ({
  ...mark,
  event_time: mark.event_time + 200,
});

const hastyLog = (log: Log): Log =>
  changedLog(log, {
    session: (session) => changed(session, { append: (records) => session.append(hasty(records)) }),
  });

function forgetful(isMissed: () => boolean): (reader: LogReader) => LogReader {
  return (reader) => {
    const poll = reader.poll.bind(reader);
    reader.poll = async (maxWaitMs) => {
      const fetched = await poll(maxWaitMs);
      return fetched.map((part) =>
        isChangelog(part) && part.slabs.length > 0 && isMissed() ? { ...part, records: [], slabs: [] } : part,
      );
    };
    return reader;
  };
}

/** Rows at a time: how scans for checkpoints are told from others. */
const CHECKPOINT_ROWS = 256;

async function* withoutLast<T>(rows: AsyncIterable<T>): AsyncIterable<T> {
  const held: T[] = [];
  for await (const row of rows) {
    held.push(row);
    // the store's position comes first
    if (held.length > 2) yield held.shift() as T;
  }
  for (const row of held.length > 1 ? held.slice(0, -1) : held) yield row;
}

export const DECLARED_MUTATIONS: readonly DeclaredMutation[] = [
  {
    workload: 'oversized rows',
    make: () => ({
      name: 'who looks at rows refuses some that fit',
      spec: (spec) =>
        changedTopologies(spec, ({ create }) => ({
          create: (context: Parameters<Create>[0]) => {
            const { state } = context;
            const rowBytes = state?.rowBytes.bind(state);
            if (rowBytes !== undefined) state.rowBytes = (key, value) => 2 * rowBytes(key, value);
            return create(context);
          },
        })),
    }),
  },
  {
    workload: 'joins',
    make: () => ({
      name: 'a row that is not in memory passes for none',
      spec: (spec) =>
        changedTopologies(spec, ({ create }) => ({
          create: (context: Parameters<Create>[0]) => {
            if (context.state !== null) context.state.lacks = () => false;
            return create(context);
          },
        })),
    }),
  },
  {
    workload: 'joins',
    make: () => ({ name: 'marks run ahead of the timers', log: hastyLog }),
  },
  {
    workload: 'standbys',
    make: () => {
      const isMissed = everySoOften(4);
      return {
        name: 'what follows a changelog misses some of it',
        log: (log) => changedLog(log, { reader: forgetful(isMissed) }),
      };
    },
  },
  {
    workload: 'checkpoints',
    make: () => ({
      name: 'a checkpoint lacks its last row',
      stores: (stores) =>
        changedStores(stores, (store) => ({
          multiGet: (keys) => store.multiGet(keys),
          write: (writes) => store.write(writes),
          scan: (range) => (range.rowsAtATime === CHECKPOINT_ROWS ? withoutLast(store.scan(range)) : store.scan(range)),
          close: () => store.close(),
        })),
    }),
  },
  {
    workload: 'windowed',
    make: () => ({ name: 'marks run ahead of the timers', log: hastyLog }),
  },
  {
    workload: 'windowed',
    make: () => ({
      name: 'a state that was restored has no timers',
      spec: (spec) =>
        changedTopologies(spec, ({ onDemand }) =>
          onDemand === undefined ? {} : { onDemand: { ...onDemand, timerOf: () => null } },
        ),
    }),
  },
];
