// Which application a run is about, drawn from its seed.
import { declaredWorkload } from './declared-workload.ts';
import { directWorkload } from './direct-workload.ts';
import { joinWorkload } from './join-workload.ts';
import { ledgerWorkload } from './ledger-workload.ts';
import { oversizedWorkload } from './oversized-workload.ts';
import { type Random } from './random.ts';
import { viewWorkload } from './view-workload.ts';
import { windowedWorkload } from './windowed-workload.ts';
import { type Workload } from './workload.ts';

export type MakeWorkload = (random: Random, startMs: number) => Workload;

const ALONE = {
  ledger: (random, startMs) => ledgerWorkload({ random, startMs, spanMs: spanMs(random), kind: 'ordered' }),
  'live ledger': (random, startMs) => ledgerWorkload({ random, startMs, spanMs: spanMs(random), kind: 'live' }),
  'disordered ledger': (random, startMs) =>
    ledgerWorkload({ random, startMs, spanMs: spanMs(random), kind: 'disordered' }),
  view: (random, startMs) => viewWorkload({ random, startMs, spanMs: spanMs(random) }),
  declared: (random, startMs) => declaredWorkload({ random, startMs, spanMs: spanMs(random) }),
  'declared, many keys': (random, startMs) =>
    declaredWorkload({ random, startMs, spanMs: spanMs(random), accountsMax: 60 }),
  direct: (random, startMs) => directWorkload({ random, startMs, spanMs: spanMs(random), guarantee: 'exactly-once' }),
  'direct, at least once': (random, startMs) =>
    directWorkload({ random, startMs, spanMs: spanMs(random), guarantee: 'at-least-once' }),
  joins: (random, startMs) => joinWorkload({ random, startMs, spanMs: spanMs(random) }),
  'oversized rows': (random, startMs) => oversizedWorkload({ random, startMs, spanMs: spanMs(random) }),
  windowed: (random, startMs) => windowedWorkload({ random, startMs, spanMs: spanMs(random) }),
} as const satisfies Record<string, MakeWorkload>;

/** Any of them that keeps a state that is to be found again exactly. */
const stateful: MakeWorkload = (random, startMs) => {
  const { ledger, view, declared, direct, joins, windowed } = ALONE;
  const make = random.pick([ledger, view, declared, direct, joins, windowed, ALONE['oversized rows']]) ?? ledger;
  return make(random, startMs);
};

export const WORKLOADS = {
  ...ALONE,
  standbys: (random, startMs) => ({ ...stateful(random, startMs), hasStandbys: true }),
  checkpoints: (random, startMs) => ({
    ...{ ...stateful(random, startMs), hasStandbys: random.chance(0.3) },
    checkpointIntervalMs: random.int(10, 300),
  }),
} as const satisfies Record<string, MakeWorkload>;

/** of event time */
function spanMs(random: Random): number {
  return random.int(500, 4000);
}

/** Long runs: a few are enough. */
export const floodedLedger: MakeWorkload = (random, startMs) =>
  ledgerWorkload({ random, startMs, spanMs: spanMs(random), kind: 'flooded' });

/** The same. */
export const crowdedWindows: MakeWorkload = (random, startMs) =>
  windowedWorkload({ random, startMs, spanMs: spanMs(random), isCrowded: true });

export const anyWorkload: MakeWorkload = (random, startMs) => {
  const make = random.chance(0.01)
    ? random.pick([floodedLedger, crowdedWindows])
    : (random.pick(Object.values(WORKLOADS)) ?? floodedLedger);
  return make(random, startMs);
};
