// What an application reads, keeps and writes: as data, and in words.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compile } from '../../../streams/builder/compile.ts';
import { json } from '../../../streams/builder/format.ts';
import { topology } from '../../../streams/builder/topology.ts';
import { describeApplication, describeInWords } from '../../../streams/describe-application.ts';
import { type SubTopology } from '../../../streams/processor.ts';

interface Payment {
  readonly card: string;
  readonly amount: number;
}

const declared = topology('spending', ({ stream }) => {
  stream('payments', json<Payment>())
    .filter(({ amount }) => amount > 0)
    .keyBy(({ card }) => card)
    .process('per-card', {
      state: json<number>(),
      each: ({ amount }: Payment, { state = 0, setState, emit }) => {
        setState(state + amount);
        emit(state + amount);
      },
    })
    .to('spending', json<number>());
});

const changelogTopic = (store: string): string => `m.spending-${store}-changelog`;

test('a declared topology: stages with their steps, internal topics by their names in the log, the store and its changelog', () => {
  const { spec } = compile(declared, {
    partitions: new Map([['payments', 4]]),
    internalTopic: (name) => `m.${name}-repartition`,
    changelogTopic: (_application, store) => changelogTopic(store),
  });
  const described = describeApplication(spec, changelogTopic);
  const none = { globalSources: [], folds: [], isSingle: false };
  assert.deepEqual(described, {
    id: 'spending',
    subTopologies: [
      {
        ...{ ...none, name: 'stage-0', steps: ['filter', 'keyBy'], sources: ['payments'] },
        ...{ store: null, sinks: ['m.spending.1-repartition'] },
      },
      {
        ...{ ...none, name: 'stage-1', steps: ['per-card'], sources: ['m.spending.1-repartition'] },
        ...{ store: { name: 'stage-1', changelog: 'm.spending-stage-1-changelog' }, sinks: ['spending'] },
      },
    ],
  });
  assert.equal(
    describeInWords(described, ({ name }) => (name === 'stage-1' ? ['3 tasks'] : [])),
    [
      'spending',
      '  stage-0     payments',
      '                filter, keyBy',
      '                → m.spending.1-repartition',
      '  stage-1     m.spending.1-repartition',
      '                per-card',
      '                keeps stage-1 (changelog m.spending-stage-1-changelog)',
      '                → spending',
      '                3 tasks',
    ].join('\n'),
  );
});

test('what every instance reads whole, and what it keeps of it, is told; topics of its lanes are what it writes', () => {
  const score: SubTopology<never> = {
    ...{ name: 'score', topics: ['requests'], globalTopics: ['rows'], folds: ['online'], store: null },
    lanesOf: () => 1,
    single: true,
    outputLanes: (partitions) => partitions.map((partition) => ({ topic: 'predictions', partition, lane: 1 })),
    create: () => Promise.reject(new Error('is not made here')),
  };
  const described = describeApplication({ id: 'scoring', subTopologies: [score] }, changelogTopic);
  assert.deepEqual(described.subTopologies[0]?.sinks, ['predictions']);
  assert.equal(
    describeInWords(described),
    [
      'scoring',
      '  score       requests',
      '              rows (whole)',
      '                keeps online (a fold of what it reads whole)',
      '                → predictions',
    ].join('\n'),
  );
});
