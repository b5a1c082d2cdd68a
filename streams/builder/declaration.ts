// What a topology is declared as, while it is declared: sources, names that are taken, internal topics.
import { Failure } from '../../schemas/failure.ts';
import { Fields, invalid } from '../../schemas/reading.ts';
import { type DirectSubTopology } from '../direct.ts';
import { type FailurePolicies } from '../failure-policies.ts';
import { type OutputOptions, addedBy } from './passed-headers.ts';
import { type Format } from './format.ts';
import { requireFormat } from './options.ts';
import { StageNames } from './stage-names.ts';
import { type Parent, type SinkNode, type SourceNode } from './graph.ts';

/** A stage that goes straight from bytes to bytes; made when the partitions are known. */
export interface DirectStage {
  readonly name: string;
  readonly topic: string;
  readonly outputTopic: string;
  make(partitions: { readonly input: number; readonly output: number }): DirectSubTopology;
}

export interface Sources {
  readonly sources: readonly SourceNode[];
}

export interface DeclaredTopology extends Sources {
  /** names the consumer group, the transactional ids, the state and the internal topics */
  readonly id: string;
  readonly direct: readonly DirectStage[];
  readonly failures: FailurePolicies;
}

/** What a stream or a table hangs on. */
export interface Place<T> {
  readonly parent: Parent;
  /** how its values are kept; null: not known since they were mapped */
  readonly format: Format<T> | null;
  /** each record of one topic gives one message at most: its offset tells messages of one key and time apart */
  readonly isOnePerRecord: boolean;
}

export interface SourceOptions<T> {
  /** event time of a value, epoch ms; null: the record's timestamp */
  readonly timeOf: ((value: T) => number) | null;
  readonly isTable: boolean;
  /** given by its user, and not looked at yet */
  readonly name: string | undefined;
}

export class Declaration {
  readonly id: string;
  readonly sources: SourceNode[] = [];
  readonly direct: DirectStage[] = [];
  readonly #names = new Set<string>();
  readonly #stages = new StageNames();
  #internal = 0;

  constructor(id: string) {
    this.id = id;
  }

  /** @throws Failure `invalid_definition` when the topic is none or read already, or the name is none or taken */
  source<T>(topic: string, format: Format<T>, { timeOf, isTable, name }: SourceOptions<T>): Place<T> {
    const path = `${isTable ? 'table' : 'stream'} ${topic}:`;
    const fields = new Fields(path, { topic, format });
    fields.topic('topic', 'payments');
    requireFormat(fields, 'format');
    if (this.sources.some((known) => known.topic === topic))
      throw new Failure('invalid_definition', `The topic ${topic} is read twice.`, {
        field: 'topic',
        fix: 'Keep the stream in a variable and use it twice.',
      });
    const source = {
      kind: 'source',
      topic,
      format,
      timeOf: timeOf as ((value: unknown) => number) | null,
      name: name === undefined ? null : this.#stages.claim(path, name),
      ...{ isInternal: false, isTable, isAwaited: true, children: [] },
    } as const satisfies SourceNode;
    this.sources.push(source);
    return { parent: source, format, isOnePerRecord: true };
  }

  /** Where values leave the topology. @throws Failure `invalid_definition` when topic or format is none */
  sink<T>(parent: Parent, topic: string, format: Format<T>, isTable: boolean, options: OutputOptions<T>): void {
    const fields = new Fields(`to ${topic}:`, { topic, format });
    fields.topic('topic', 'spending');
    requireFormat(fields, 'format');
    parent.children.push({
      ...{ kind: 'sink', topic, format, isInternal: false, isTable, isAwaited: true },
      ...addedBy(options),
    });
  }

  /** @throws Failure `invalid_definition` when the name is none, or taken */
  claim(kind: 'step' | 'join' | 'aggregate' | 'windowed' | 'windows', name: string): void {
    const fields = new Fields(`${kind} ${name}:`, { name });
    fields.topicPart('name', 'per-card');
    if (this.#names.has(name))
      throw invalid(
        fields.at('name'),
        'another step is called so.',
        'Give each step a name of its own: it names its state.',
      );
    this.#names.add(name);
  }

  /** Windows that go straight from bytes to bytes: they are a step and a stage of their own. @throws as `claim` does */
  claimDirect(name: string): void {
    this.claim('windows', name);
    this.#stages.claimDirect(name);
  }

  /**
   * A new stage behind an internal topic, in which messages lie by their new key.
   * @param given name of both; undefined: by their place
   * @throws Failure `invalid_definition` when the name is none, or taken
   */
  repartitioned<T>(parent: Parent, format: Format<T>, given: string | undefined): Place<T> {
    const name = given === undefined ? null : this.#stages.claim('keyBy:', given);
    // those with a name do not count: they may come and go
    if (name === null) this.#internal += 1;
    const kind = { name, isTable: false, isAwaited: true };
    const { sink, source } = this.#throughTopic(`${this.id}.${name ?? this.#internal}`, format, kind);
    parent.children.push(sink);
    return { parent: source, format, isOnePerRecord: true };
  }

  /** An internal topic between the halves of a join: what it brings is taken as it comes. */
  between<T>(name: string, format: Format<T>): { readonly sink: SinkNode; readonly source: SourceNode } {
    return this.#throughTopic(`${this.id}.${name}`, format, {
      ...{ name: null, isTable: false, isAwaited: false },
    });
  }

  /**
   * A new stage, for the groups of a table, behind an internal topic for their changes; both are called by the aggregate's name.
   * @throws Failure `invalid_definition` when the name is none of a part, or taken
   */
  toGroups<T>(name: string, format: Format<T>): { readonly sink: SinkNode; readonly source: SourceNode } {
    const part = this.#stages.claim(`aggregate ${name}:`, name);
    return this.#throughTopic(`${this.id}.${part}`, format, { name: part, isTable: false, isAwaited: true });
  }

  #throughTopic(
    topic: string,
    format: Format<unknown>,
    { name, ...kind }: Pick<SourceNode, 'name' | 'isTable' | 'isAwaited'>,
  ): { readonly sink: SinkNode; readonly source: SourceNode } {
    const common = { topic, format, isInternal: true, ...kind };
    const source: SourceNode = { kind: 'source', ...common, name, timeOf: null, children: [] };
    this.sources.push(source);
    return { sink: { kind: 'sink', ...common }, source };
  }
}

/** A side of a join. */
export interface JoinSide {
  readonly parent: Parent;
  readonly format: Format<unknown>;
  readonly isOnePerRecord: boolean;
}

/** @throws Failure `invalid_definition` where it is not known how the side's values are kept */
export function sideOf<T>(name: string, { parent, format, isOnePerRecord }: Place<T>): JoinSide {
  if (format !== null) return { parent, format: format, isOnePerRecord };
  throw new Failure('invalid_definition', `The join ${name} needs a format for values that were made by a step.`, {
    field: name,
    fix: 'Put `.map((value) => value, format)` before the join.',
  });
}
