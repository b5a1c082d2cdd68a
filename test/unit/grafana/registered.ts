// The metrics that the source registers.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Registry, collectDefaultMetrics } from 'prom-client';

const root = new URL('../../../', import.meta.url).pathname;

/** Series of a histogram or a summary are named after it. */
function seriesOf(name: string, type: string): readonly string[] {
  if (type === 'histogram') return [`${name}_bucket`, `${name}_sum`, `${name}_count`];
  return type === 'summary' ? [name, `${name}_sum`, `${name}_count`] : [name];
}

/** Metrics that the source registers, by their literal names, and those that prom-client brings. */
export async function registered(): Promise<Set<string>> {
  const names = new Set<string>();
  for (const path of globSync(['infra/**/*.ts', 'serving/**/*.ts', 'streams/**/*.ts'], { cwd: root })) {
    const text = readFileSync(join(root, path), 'utf8');
    for (const [, kind = '', name = ''] of text.matchAll(
      /new (Gauge|Counter|Histogram|Summary)\(\{\s*name: '([^']+)'/g,
    ))
      for (const series of seriesOf(name, kind.toLowerCase())) names.add(series);
    for (const [, name = ''] of text.matchAll(/\b(?:gauge|counter)\(\s*'([^']+)'/g)) names.add(name);
  }
  const defaults = new Registry();
  collectDefaultMetrics({ register: defaults });
  for (const { name, type } of await defaults.getMetricsAsJSON())
    for (const series of seriesOf(name, String(type))) names.add(series);
  return names;
}
