// What of an applied definition may change. What was written by it stays in the log for ever: a view's rows, an endpoint's
// predictions and the versions that were trained for it must go on meaning what they meant.
import { type Definition } from './definitions.ts';
import { invalid } from './reading.ts';

/** Fields that may change; of what is not listed, everything may. */
const FREE: Readonly<Partial<Record<Definition['kind'], readonly string[]>>> = {
  feature_view: ['description', 'lateness_ms'],
  endpoint: ['description', 'delivery', 'serve_from', 'outcome.horizon_ms'],
};

/** @throws Failure `invalid_definition` for the first field that may not change */
export function checkChange(before: Definition, after: Definition): void {
  const free = FREE[after.kind];
  if (free === undefined) return;
  const field = firstChanged(before, after, '', free);
  if (field === null) return;
  throw invalid(
    `${after.kind} ${after.name}: ${field}`,
    'differs from what was applied before, by which rows or predictions have been written.',
    `Give the changed ${after.kind.replace('_', ' ')} a new name, such as ${after.name}-2; only ${free.join(', ')} may change.`,
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Path of the first difference outside the free fields. */
function firstChanged(before: unknown, after: unknown, path: string, free: readonly string[]): string | null {
  if (free.includes(path)) return null;
  if (Array.isArray(before) && Array.isArray(after)) {
    for (let index = 0; index < Math.max(before.length, after.length); index += 1) {
      const found = firstChanged(before[index], after[index], `${path}[${index}]`, free);
      if (found !== null) return found;
    }
    return null;
  }
  if (isRecord(before) && isRecord(after)) {
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const found = firstChanged(before[name], after[name], path === '' ? name : `${path}.${name}`, free);
      if (found !== null) return found;
    }
    return null;
  }
  return before === after ? null : path;
}
