// Direct processing: the records of one partition in the log's order, straight from the fetched bytes into output batches. What
// it gives up against merged processing (streams/processor.ts) is merging several inputs by event time; what it gains is that
// nothing is made per record.
import { type SchemaRegistry } from '../schemas/codec.ts';
import { type Failure } from '../schemas/failure.ts';
import { type RecordSlab } from './log.ts';
import { type FailureStage } from './failure-policies.ts';
import { type OutputBatches } from './output-batches.ts';
import { type ReadableStore } from './queries/question.ts';
import { type Row, type RowSerde } from './state/row.ts';
import { type RowTable } from './state/row-table.ts';

export interface DirectContext {
  readonly partition: number;
  /** null where the sub-topology declares no store */
  readonly rows: RowTable | null;
  readonly outputs: OutputBatches;
  /** null where no registry is known: values need none then */
  readonly schemas: Pick<SchemaRegistry, 'schemaOf'> | null;
  /** The record at `index` is set aside whole. */
  deadLetter(slab: RecordSlab, index: number, failure: Failure, stage: FailureStage): void;
}

export interface DirectProcessor {
  /** Fetches what `process` will need for this slab (schemas). Called once per slab. */
  prepare?(slab: RecordSlab): Promise<void>;
  /** Handles the records [from, to) of a slab; their rows are in memory. */
  process(slab: RecordSlab, from: number, to: number): void;
  /** event time that the partition has come to, epoch ms */
  readonly timeMs: number;
}

export interface DirectSubTopology {
  readonly kind: 'direct';
  readonly name: string;
  readonly topics: readonly string[];
  readonly store: {
    readonly name: string;
    readonly serde: RowSerde;
    /** A row as JSON can tell it; absent: it is not for others to read. */
    show?(row: Row): unknown;
  } | null;
  /** The store as it can be read from outside; absent: it cannot. */
  readonly readable?: readonly ReadableStore[];
  /** For descriptions. */
  readonly outputTopics?: readonly string[];
  create(context: DirectContext): DirectProcessor;
}
