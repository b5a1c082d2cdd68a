// From a decoded source event to what a view needs of it.
import { isEventTime, noEventTime } from '../../schemas/event-time.ts';
import { Failure } from '../../schemas/failure.ts';
import { type CompiledView, type SourceEvent } from './window.ts';

export interface ExtractedEvent {
  readonly entityKey: string;
  readonly event: SourceEvent;
}

/**
 * Null when the event has no key for this view's entity (a null key: of no concern to it).
 * @throws Failure `missing_field` or `invalid_field`, naming the field
 */
export function extractEvent(
  view: CompiledView,
  decoded: unknown,
  sourcePartition: number,
  sourceOffset: number,
): ExtractedEvent | null {
  if (typeof decoded !== 'object' || decoded === null) {
    throw new Failure('invalid_field', `The event is ${decoded === null ? 'null' : typeof decoded}, not an object.`, {
      fix: 'Produce a record with named fields.',
    });
  }
  const fields = decoded as Readonly<Record<string, unknown>>;
  const { source } = view.definition;
  const eventTimeMs = required(fields, source.event_time_field, view);
  if (!isEventTime(eventTimeMs)) throw noEventTime(eventTimeMs, source.event_time_field);
  const key = required(fields, source.key_field, view);
  if (key === null) return null;
  if (typeof key !== 'string' && (typeof key !== 'number' || !Number.isInteger(key))) {
    throw new Failure('invalid_field', `The key ${JSON.stringify(key)} is neither text nor an integer.`, {
      field: source.key_field,
      fix: 'Give a string or an integer.',
    });
  }
  const values = view.fields.map((field) => numberOrNull(field, required(fields, field, view)));
  return { entityKey: String(key), event: { eventTimeMs, values, sourcePartition, sourceOffset } };
}

function required(fields: Readonly<Record<string, unknown>>, name: string, view: CompiledView): unknown {
  const value = fields[name];
  if (value === undefined) {
    throw new Failure(
      'missing_field',
      `The event has no field ${name}, which the view ${view.definition.name} needs.`,
      {
        field: name,
        fix: `Produce it (null where it is unknown), or change the view's definition.`,
      },
    );
  }
  return value;
}

function numberOrNull(name: string, value: unknown): number | null {
  if (value === null) return null;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  throw new Failure('invalid_field', `${name} is ${JSON.stringify(value)}, not a number.`, {
    field: name,
    fix: 'Give a finite number or null.',
  });
}
