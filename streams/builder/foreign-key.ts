// A foreign-key join in a declared topology: its two halves, each in the stage of its table, and the internal topics between them.
import { Fields } from '../../schemas/reading.ts';
import {
  type ForeignKeyRules,
  type LeftInput,
  type LeftOutput,
  type LeftState,
  foreignKeyLeftSerde,
  foreignKeyLeftStep,
} from '../joins/foreign-key-left.ts';
import { type Response, responseCodec, subscriptionCodec } from '../joins/foreign-key-messages.ts';
import {
  type RightInput,
  type RightState,
  type Subscriber,
  foreignKeyOf,
  foreignKeyRightStep,
  leftKeyOf,
  rightSerde,
  subscriberSerde,
  subscriptionKey,
  subscriptionStep,
} from '../joins/foreign-key-right.ts';
import { type Stepped } from '../joins/step.ts';
import { type Declaration, type Place, sideOf } from './declaration.ts';
import { type Format, bytes } from './format.ts';
import { requireKey } from './given.ts';
import { type JoinContext, type JoinNode, type OpenJoin, type PortName, type SinkNode } from './graph.ts';
import { requireFunction } from './options.ts';
import { type JoinOptions, hang, joinFields, joinedValue, requireInTime, updateOf } from './join-node.ts';
import { shownSides } from './shown-rows.ts';

export interface ForeignKeyOptions<K extends 'inner' | 'left', L, R, O> extends JoinOptions<K, L, R, O> {
  /** the key of the right row that a left row names; null or undefined: none */
  readonly foreignKey: (left: L) => string | null | undefined;
}

type AnyOptions = ForeignKeyOptions<'inner' | 'left', unknown, unknown, unknown>;

interface Half {
  readonly name: string;
  readonly rules: ForeignKeyRules;
  readonly left: Format<unknown>;
  readonly right: Format<unknown>;
}

/** @returns where the joined rows come out, by left key. @throws Failure `invalid_definition` */
export function foreignKeyJoin<K extends 'inner' | 'left', L, R, O>(
  declaration: Declaration,
  name: string,
  tables: { readonly left: Place<L>; readonly right: Place<R> },
  options: ForeignKeyOptions<K, L, R, O>,
): Place<O> {
  // it names topics
  new Fields(`join ${name}:`, { name }).name('name', 'enriched');
  const [left, right] = [sideOf(name, tables.left), sideOf(name, tables.right)];
  const fields = joinFields(name, options as AnyOptions, ['inner', 'left'], ['foreignKey']);
  requireFunction(fields, 'foreignKey');
  const half: Half = {
    name,
    rules: { kind: options.kind, latenessMs: fields.durationMs('lateness') },
    left: left.format,
    right: right.format,
  };
  const asking = declaration.between(`${name}.subscriptions`, bytes);
  const answering = declaration.between(`${name}.responses`, bytes);
  const asked = { parent: asking.source, isOnePerRecord: true };
  const answered = { parent: answering.source, isOnePerRecord: true };
  const parent = hang(leftHalf(half, options as AnyOptions, asking.sink), name, { left, message: answered });
  hang(rightHalf(half, answering.sink), `${name} right`, { right, message: asked });
  return { parent, format: null, isOnePerRecord: false };
}

function leftHalf({ name, rules, left, right }: Half, { foreignKey, join }: AnyOptions, asks: SinkNode): JoinNode {
  const step = (key: string, input: LeftInput, context: JoinContext): void => {
    const state = (context.row(0, key) ?? null) as LeftState | null;
    const place = { leftKey: key, leftPartition: context.partition };
    const stepped: Stepped<LeftState, LeftOutput> = foreignKeyLeftStep(rules, place, state, input);
    requireInTime(name, stepped.late);
    context.put(0, key, stepped.state ?? undefined, stepped.timerMs);
    for (const output of stepped.outputs) {
      if (output.kind === 'subscription') {
        const { foreignKey: to, timeMs } = output.subscription;
        context.send(asks, { key: to, value: subscriptionCodec.encode(output.subscription), eventTimeMs: timeMs });
      } else {
        const { row } = output;
        const value = row.left === null ? null : joinedValue(row, key, { left, right }, join);
        context.emit(key, value, row.timeMs);
      }
    }
  };
  const open: OpenJoin = {
    take: (port, message, context) => {
      const { watermarkMs, partition } = context;
      if (port === 'message') {
        const at = { leftKey: message.key, leftPartition: partition };
        const response = responseCodec.decode(at, message.value as Buffer);
        step(message.key, { kind: 'response', response, watermarkMs }, context);
        return;
      }
      const update = updateOf(message, left, true);
      const named = update.value === null ? null : (foreignKey(message.value) ?? null);
      if (named !== null) requireKey(`join ${name}: foreignKey`, named);
      step(message.key, { kind: 'left', update, foreignKey: named, watermarkMs }, context);
    },
    wake: (_table, key, context) => step(key, { kind: 'timer', watermarkMs: context.watermarkMs }, context),
  };
  return {
    kind: 'join',
    what: 'join',
    label: `${name} foreign key`,
    tables: [{ name, state: foreignKeyLeftSerde, show: (kept) => shownSides(kept, { row: left }) }],
    first: null,
    open: () => open,
    sinks: [asks],
    children: [],
  };
}

const RIGHT_ROWS = 0;
const SUBSCRIPTIONS = 1;

function rightHalf(half: Half, answers: SinkNode): JoinNode {
  return {
    kind: 'join',
    what: 'join',
    label: `${half.name} foreign key`,
    tables: [
      { name: `${half.name} right`, state: rightSerde, show: (kept) => shownSides(kept, { row: half.right }) },
      { name: `${half.name} subscriptions`, state: subscriberSerde, isPinned: true },
    ],
    first: null,
    open: () => new OpenRightHalf(half, answers),
    sinks: [answers],
    children: [],
  };
}

class OpenRightHalf implements OpenJoin {
  readonly #half: Half;
  readonly #answers: SinkNode;
  /**
   * Left keys by foreign key: who may have subscribed. The rows say who has; keys whose row is gone are dropped when they are met. Made
   * from the rows when it is needed first.
   */
  #leftKeys: Map<string, Set<string>> | null = null;

  constructor(half: Half, answers: SinkNode) {
    this.#half = half;
    this.#answers = answers;
  }

  take(port: PortName, message: Parameters<OpenJoin['take']>[1], context: JoinContext): void {
    if (port === 'message') this.#subscribe(message.key, message.value as Buffer, context);
    else {
      const update = updateOf(message, this.#half.right, true);
      this.#change(message.key, { kind: 'right', update, watermarkMs: context.watermarkMs }, context);
    }
  }

  wake(_table: number, key: string, context: JoinContext): void {
    this.#change(key, { kind: 'timer', watermarkMs: context.watermarkMs }, context);
  }

  #subscribe(foreignKey: string, value: Buffer, context: JoinContext): void {
    const subscription = subscriptionCodec.decode(foreignKey, value);
    const id = rowKey(foreignKey, subscription.leftKey);
    const right = (context.row(RIGHT_ROWS, foreignKey) ?? null) as RightState | null;
    const held = (context.row(SUBSCRIPTIONS, id) ?? null) as Subscriber | null;
    const { state, outputs } = subscriptionStep(right, held, subscription);
    this.#note(foreignKey, subscription.leftKey, context);
    context.put(SUBSCRIPTIONS, id, state ?? undefined, null);
    this.#answer(outputs, right, context);
  }

  #change(key: string, input: RightInput, context: JoinContext): void {
    const state = (context.row(RIGHT_ROWS, key) ?? null) as RightState | null;
    const stepped = foreignKeyRightStep(this.#half.rules, state, this.#subscribersOf(key, context), input);
    requireInTime(this.#half.name, stepped.late);
    context.put(RIGHT_ROWS, key, stepped.state ?? undefined, stepped.timerMs);
    this.#answer(stepped.outputs, stepped.state, context);
  }

  #answer(responses: readonly Response[], right: RightState | null, context: JoinContext): void {
    for (const response of responses) {
      const { leftKey: key, leftPartition: partition } = response;
      const eventTimeMs = Math.max(0, right?.row.sinceMs ?? 0);
      context.send(this.#answers, { key, value: responseCodec.encode(response), eventTimeMs, partition });
    }
  }

  *#subscribersOf(foreignKey: string, context: JoinContext): Iterable<readonly [string, Subscriber]> {
    const leftKeys = this.#known(context).get(foreignKey) ?? new Set();
    // by key, as a store would give them: the order of arrival is not the same after a restart
    for (const leftKey of [...leftKeys].sort()) {
      const subscriber = context.row(SUBSCRIPTIONS, rowKey(foreignKey, leftKey)) as Subscriber | undefined;
      if (subscriber === undefined) leftKeys.delete(leftKey);
      else yield [leftKey, subscriber];
    }
  }

  #known(context: JoinContext): Map<string, Set<string>> {
    this.#leftKeys ??= leftKeysIn(context);
    return this.#leftKeys;
  }

  #note(foreignKey: string, leftKey: string, context: JoinContext): void {
    const known = this.#known(context);
    const leftKeys = known.get(foreignKey);
    if (leftKeys === undefined) known.set(foreignKey, new Set([leftKey]));
    else leftKeys.add(leftKey);
  }
}

function leftKeysIn(context: JoinContext): Map<string, Set<string>> {
  const all = new Map<string, Set<string>>();
  for (const id of context.keys(SUBSCRIPTIONS)) {
    const key = Buffer.from(id, 'latin1');
    const { foreignKey, leftKey } = { foreignKey: foreignKeyOf(key), leftKey: leftKeyOf(key) };
    const known = all.get(foreignKey) ?? new Set<string>();
    known.add(leftKey);
    all.set(foreignKey, known);
  }
  return all;
}

/** States are kept by text: the ordered key, a character per byte. */
function rowKey(foreignKey: string, leftKey: string): string {
  return subscriptionKey(foreignKey, leftKey).toString('latin1');
}
