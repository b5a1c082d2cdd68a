// What the feature job does, declared: last, count, sum, mean and max of the departure delay over 1 h, 24 h and 7 d in hourly panes
// by tail number, every update emitted; events and rows as JSON or as Avro in the Confluent frame.
import type { AvroSchema } from '../../schemas/codec.ts';
import type { DeclaredTopology } from '../../streams/builder/declaration.ts';
import { topology } from '../../streams/builder/topology.ts';
import { type RowDeclaration, type WindowsDeclaration, rowSchema, windows } from '../../streams/builder/windows.ts';

const STAGE = 'features';
const WINDOWS = ['1h', '24h', '7d'];
const FUNCTIONS = ['count', 'sum', 'mean', 'max'] as const;
/** In the row, but in no window. */
const COPIED = ['p'];
const ROW = { key: 'k', eventTime: 'ts', copy: { p: 'p', last: 'dep_delay' } };

/** How events come and rows go: in one format. With avro `schemaId` is that of the rows, registered: `featureRowSchema`. */
export type FeatureFormat = Pick<RowDeclaration, 'format' | 'schemaId'>;

export interface FeatureTopology {
  readonly group: string;
  readonly input: string;
  readonly output: string;
}

function declaration(topic: string, format: 'json' | 'avro'): WindowsDeclaration {
  return {
    from: { topic, format, eventTime: 'ts', optional: COPIED },
    step: '1h',
    features: Object.fromEntries(
      WINDOWS.flatMap((window) =>
        FUNCTIONS.map((name) => [
          `${name}_${window}`,
          { function: name, window, ...(name === 'count' ? {} : { field: 'dep_delay' }) },
        ]),
      ),
    ),
  };
}

/** Events: `ts` (epoch ms), `dep_delay` and perhaps `p`; rows: k, ts, p, last, count_1h, sum_1h, … max_7d. */
export function featureTopology({ group, input, output }: FeatureTopology, format: FeatureFormat): DeclaredTopology {
  return topology(group, (builder) => {
    windows(builder, STAGE, declaration(input, format.format), COPIED).to(output, { ...ROW, ...format });
  });
}

/** What rows in Avro are written with. */
export function featureRowSchema(): AvroSchema {
  return rowSchema(STAGE, declaration('events', 'avro'), { ...ROW, format: 'avro' }, COPIED);
}
