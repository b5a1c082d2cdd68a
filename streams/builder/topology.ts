// Declaring a topology: where records come from, what is done to them, where they go.
//
//   topology('spending', ({ stream }) => {
//     stream('payments', json<Payment>(), { timeOf: (payment) => payment.paid_at })
//       .keyBy((payment) => payment.card)
//       .process('per-day', { state: json<Day>(), each: (payment, { state, setState, emit }) => { … } })
//       .to('spending', json<Day>());
//   });
import { Failure } from '../../schemas/failure.ts';
import { Fields } from '../../schemas/reading.ts';
import { type FailurePolicies, readPolicies } from '../failure-policies.ts';
import { Declaration, type DeclaredTopology, type DirectStage, type Place } from './declaration.ts';
import { type Format } from './format.ts';
import { optionsOf, requireFunction } from './options.ts';
import { requireNoCycles } from './stages.ts';
import { Stream } from './stream.ts';
import { Table } from './table.ts';

export interface StreamOptions<T> {
  /** event time of a value, epoch ms; absent: the record's timestamp */
  readonly timeOf?: (value: T) => number;
  /**
   * Names the state of the steps and joins that follow, up to the next `keyBy`: it stays theirs whatever is declared before. Small
   * letters, digits, - and _; absent: by its place. Where several named parts meet in a join it is the first in the alphabet.
   */
  readonly name?: string;
}

export class TopologyBuilder {
  readonly #declaration: Declaration;

  constructor(declaration: Declaration) {
    this.#declaration = declaration;
  }

  /** The records of a topic, keyed as they are. */
  readonly stream = <T>(topic: string, format: Format<T>, options: StreamOptions<T> = {}): Stream<T> =>
    new Stream(this.#declaration, this.#source(topic, format, false, options));

  /** Of each key the newest record of a topic; a record without a value deletes, as of its timestamp. */
  readonly table = <T>(topic: string, format: Format<T>, options: StreamOptions<T> = {}): Table<T> =>
    new Table(this.#declaration, this.#source(topic, format, true, options));

  #source<T>(topic: string, format: Format<T>, isTable: boolean, options: StreamOptions<T>): Place<T> {
    const fields = optionsOf(`${isTable ? 'table' : 'stream'} ${topic}:`, options, ['timeOf', 'name']);
    const { timeOf, name } = options;
    if (timeOf !== undefined) requireFunction(fields, 'timeOf');
    return this.#declaration.source(topic, format, { timeOf: timeOf ?? null, isTable, name });
  }

  /** Adds a stage that goes straight from bytes to bytes. */
  addDirect(stage: DirectStage): void {
    this.#declaration.claimDirect(stage.name);
    this.#declaration.direct.push(stage);
  }
}

export interface TopologyOptions {
  /** What happens to a record that fails; what is not named is as in `DEFAULT_POLICIES`: to the dead letters, and nothing tried again. */
  readonly failures?: Partial<FailurePolicies>;
}

/**
 * @param id names the consumer group, the topics of its own and the state: letters, digits, dots, - and _
 * @throws Failure `invalid_definition`, naming the field
 */
export function topology(
  id: string,
  declare: (builder: TopologyBuilder) => void,
  { failures = {} }: TopologyOptions = {},
): DeclaredTopology {
  new Fields('topology:', { id }).topicPart('id', 'spending');
  const policies = readPolicies(`topology ${id}: failures`, failures);
  const declaration = new Declaration(id);
  declare(new TopologyBuilder(declaration));
  const { sources, direct } = declaration;
  if (sources.length + direct.length === 0)
    throw new Failure('invalid_definition', `The topology ${id} reads nothing.`, {
      field: 'stream',
      fix: 'Begin with stream(topic, format).',
    });
  requireNoCycles({ sources, direct });
  return { id, sources, direct, failures: policies };
}
