// A V8 CPU profile as text: the functions in which the time went.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './bench-stack.ts';

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const TOP = 25;
const NO_WORK = ['(idle)', '(root)'];

/** Every profile of a folder (one per thread, the busiest first) into one text. */
export function writeProfileText(folder: string, file: string, title: string): void {
  const threads = readdirSync(folder)
    .filter((name) => name.endsWith('.cpuprofile'))
    .map((name) => selfTimes(JSON.parse(readFileSync(join(folder, name), 'utf8')) as CpuProfile))
    .sort((a, b) => b.busyMs - a.busyMs);
  writeFileSync(file, `${[title, ...threads.map((thread, index) => threadText(thread, index))].join('\n\n')}\n`);
}

function selfTimes({ nodes, samples, timeDeltas }: CpuProfile) {
  const nameOf = new Map(
    nodes.map(({ id, callFrame }) => {
      const { functionName, url, lineNumber } = callFrame;
      const place = url
        .replace('file://', '')
        .replace(root, '')
        .replace(/^.*node_modules\//, '');
      return [
        id,
        `${functionName === '' ? '(anonymous)' : functionName}${url === '' ? '' : `  ${place}:${lineNumber + 1}`}`,
      ];
    }),
  );
  const ms = new Map<string, number>();
  let totalMs = 0;
  let busyMs = 0;
  for (const [index, id] of samples.entries()) {
    const name = nameOf.get(id) ?? '?';
    const tookMs = (timeDeltas[index] ?? 0) / 1000;
    totalMs += tookMs;
    if (NO_WORK.includes(name)) continue;
    busyMs += tookMs;
    ms.set(name, (ms.get(name) ?? 0) + tookMs);
  }
  return { ms, totalMs, busyMs };
}

function threadText({ ms, totalMs, busyMs }: ReturnType<typeof selfTimes>, index: number): string {
  const head = `Thread ${index + 1}: ${(totalMs / 1000).toFixed(1)} s, of which ${(busyMs / 1000).toFixed(1)} s not idle. Self time:`;
  const rows = [...ms]
    .sort((a, b) => b[1] - a[1])
    .slice(0, TOP)
    .map(
      ([name, took]) =>
        `${((100 * took) / busyMs).toFixed(1).padStart(5)} %  ${took.toFixed(0).padStart(7)} ms  ${name}`,
    );
  return [head, ...rows].join('\n');
}
