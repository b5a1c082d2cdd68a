// The joins by key that a topology can be declared with.
import { type AsOfRules, asOfSerde, asOfStep, checkAsOfRules } from '../joins/as-of.ts';
import { type IntervalRules, checkIntervalRules, intervalSerde, intervalStep } from '../joins/interval.ts';
import { type LabelRules, labelSerde, labelStep } from '../joins/labels.ts';
import { type TableRules, tableSerde, tableStep } from '../joins/table-table.ts';
import { type Format } from './format.ts';
import { type JoinNode } from './graph.ts';
import {
  type JoinOptions,
  type UntypedJoiner,
  joinFields,
  joinNode,
  joinedValue,
  recordOf,
  updateOf,
} from './join-node.ts';

export interface Formats {
  readonly left: Format<unknown>;
  readonly right: Format<unknown>;
}

export interface AsOfOptions<K extends 'inner' | 'left', L, R, O> extends JoinOptions<K, L, R, O> {
  /** `versioned` (default): the row at or before the record's event time; `live`: the newest row */
  readonly reads?: 'versioned' | 'live';
  /** how far behind the task's event time the table can be read; as much as `lateness` unless given, and never less */
  readonly history?: string;
}

export function asOfNode<L, R, O>(
  name: string,
  right: Format<unknown>,
  options: AsOfOptions<'inner' | 'left', L, R, O>,
): JoinNode {
  const fields = joinFields(name, options, ['inner', 'left'], ['history', 'reads']);
  const latenessMs = fields.durationMs('lateness');
  const rules: AsOfRules = {
    kind: options.kind,
    reads: fields.choice('reads', ['versioned', 'live'], 'versioned'),
    latenessMs,
    retentionMs: fields.durationMs('history', latenessMs),
  };
  checkAsOfRules(rules, `join ${name}:`);
  const joiner = options.join as UntypedJoiner;
  const left: Format<unknown> = { encode: () => Buffer.alloc(0), decode: () => undefined };
  return joinNode(
    name,
    'as of',
    { serde: asOfSerde, shown: { versions: right } },
    {
      take: (state, port, message, watermarkMs) =>
        port === 'left'
          ? // the record is joined at once: its value need not go through bytes
            asOfStep(rules, state, { kind: 'left', record: recordOf(message, left), watermarkMs })
          : asOfStep(rules, state, { kind: 'right', update: updateOf(message, right, true), watermarkMs }),
      wake: (state, watermarkMs) => asOfStep(rules, state, { kind: 'timer', watermarkMs }),
      valueOf: (joined, key, message) =>
        joiner(message?.value, joined.right === null ? null : right.decode(joined.right.value), key),
    },
    'right',
  );
}

export interface IntervalOptions<K extends IntervalRules['kind'], L, R, O> extends JoinOptions<K, L, R, O> {
  /** how long before the left record the right one may be */
  readonly before: string;
  /** how long after the left record the right one may be */
  readonly after: string;
}

export function intervalNode<L, R, O>(
  name: string,
  formats: Formats,
  options: IntervalOptions<IntervalRules['kind'], L, R, O>,
): JoinNode {
  const fields = joinFields(name, options, ['inner', 'left', 'right', 'outer'], ['before', 'after']);
  const rules: IntervalRules = {
    kind: options.kind,
    beforeMs: fields.durationMs('before'),
    afterMs: fields.durationMs('after'),
    latenessMs: fields.durationMs('lateness'),
  };
  checkIntervalRules(rules);
  return joinNode(
    name,
    'within',
    { serde: intervalSerde, shown: { ...formats } },
    {
      take: (state, kind, message, watermarkMs) =>
        intervalStep(rules, state, { kind, record: recordOf(message, formats[kind]), watermarkMs }),
      wake: (state, watermarkMs) => intervalStep(rules, state, { kind: 'timer', watermarkMs }),
      valueOf: (joined, key) => joinedValue(joined, key, formats, options.join as UntypedJoiner),
    },
  );
}

export interface LabelOptions<K extends LabelRules['kind'], L, R, O> extends JoinOptions<K, L, R, O> {
  /** how long after a prediction its label may be known */
  readonly horizon: string;
}

export function labelNode<L, R, O>(
  name: string,
  formats: Formats,
  options: LabelOptions<LabelRules['kind'], L, R, O>,
): JoinNode {
  const fields = joinFields(name, options, ['inner', 'left'], ['horizon']);
  const rules: LabelRules = {
    kind: options.kind,
    latenessMs: fields.durationMs('lateness'),
    horizonMs: fields.durationMs('horizon'),
  };
  return joinNode(
    name,
    'labels',
    { serde: labelSerde, shown: { predictions: formats.left, labels: formats.right } },
    {
      take: (state, kind, message, watermarkMs) =>
        labelStep(rules, state, { kind, record: recordOf(message, formats[kind]), watermarkMs }),
      wake: (state, watermarkMs) => labelStep(rules, state, { kind: 'timer', watermarkMs }),
      valueOf: (joined, key) => joinedValue(joined, key, formats, options.join as UntypedJoiner),
    },
  );
}

export function tableNode<L, R, O>(
  name: string,
  formats: Formats,
  options: JoinOptions<TableRules['kind'], L, R, O>,
): JoinNode {
  const fields = joinFields(name, options, ['inner', 'left', 'outer']);
  const rules: TableRules = { kind: options.kind, latenessMs: fields.durationMs('lateness') };
  return joinNode(
    name,
    'tables',
    { serde: tableSerde, shown: { ...formats } },
    {
      take: (state, kind, message, watermarkMs) =>
        tableStep(rules, state, { kind, update: updateOf(message, formats[kind], true), watermarkMs }),
      wake: (state, watermarkMs) => tableStep(rules, state, { kind: 'timer', watermarkMs }),
      // with neither side the key has no row any more
      valueOf: (joined, key) =>
        joined.left === null && joined.right === null
          ? null
          : joinedValue(joined, key, formats, options.join as UntypedJoiner),
    },
  );
}
