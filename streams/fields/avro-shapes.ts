// What the fields of an Avro schema are, as far as stepping over them and reading numbers go.
import { Failure } from '../../schemas/failure.ts';

/** Of one field. */
export type Shape =
  | { readonly kind: 'null' | 'boolean' | 'whole' | 'float' | 'double' | 'sized' }
  | { readonly kind: 'fixed'; readonly bytes: number }
  | { readonly kind: 'union'; readonly of: readonly Shape[] }
  | { readonly kind: 'record'; readonly of: readonly Shape[] }
  | { readonly kind: 'list'; readonly of: Shape; readonly hasKeys: boolean };

export function isNumeric(shape: Shape): boolean {
  if (shape.kind === 'union') return shape.of.every(isNumeric);
  return ['null', 'boolean', 'whole', 'float', 'double'].includes(shape.kind);
}

/**
 * @param named shapes of the named types so far; those that are met are added
 * @throws Failure `undecodable_record` for a type that Avro does not have
 */
export function shapeOf(type: unknown, named: Map<string, Shape>): Shape {
  if (Array.isArray(type)) return { kind: 'union', of: type.map((member) => shapeOf(member, named)) };
  if (typeof type === 'string') return primitive(type, named);
  if (typeof type !== 'object' || type === null) throw unreadable(type);
  const { type: inner, name, items, values, fields, size } = type as Readonly<Record<string, unknown>>;
  switch (inner) {
    case 'record': {
      const of: Shape[] = [];
      const shape: Shape = { kind: 'record', of };
      if (typeof name === 'string') named.set(name, shape);
      for (const field of fields as readonly { readonly type: unknown }[]) of.push(shapeOf(field.type, named));
      return shape;
    }
    case 'array':
      return { kind: 'list', of: shapeOf(items, named), hasKeys: false };
    case 'map':
      return { kind: 'list', of: shapeOf(values, named), hasKeys: true };
    case 'enum':
      if (typeof name === 'string') named.set(name, { kind: 'whole' });
      return { kind: 'whole' };
    case 'fixed': {
      const shape: Shape = { kind: 'fixed', bytes: Number(size) };
      if (typeof name === 'string') named.set(name, shape);
      return shape;
    }
    default:
      return shapeOf(inner, named);
  }
}

const PRIMITIVES: Readonly<Record<string, Shape>> = {
  null: { kind: 'null' },
  boolean: { kind: 'boolean' },
  int: { kind: 'whole' },
  long: { kind: 'whole' },
  float: { kind: 'float' },
  double: { kind: 'double' },
  bytes: { kind: 'sized' },
  string: { kind: 'sized' },
};

function primitive(type: string, named: ReadonlyMap<string, Shape>): Shape {
  const shape = PRIMITIVES[type] ?? named.get(type);
  if (shape === undefined) throw unreadable(type);
  return shape;
}

function unreadable(type: unknown): Failure {
  return new Failure('undecodable_record', `The Avro type ${JSON.stringify(type)} is not known.`);
}
