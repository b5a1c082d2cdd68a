// The little of Markdown that the documents are checked by: tables below headings, fenced blocks.

export interface Table {
  /** the nearest heading above it, without its number signs */
  readonly heading: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

function cellsOf(line: string): string[] {
  return line
    .replace(/^\||\|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
}

export function tablesOf(text: string): readonly Table[] {
  const tables: { heading: string; columns: string[]; rows: string[][] }[] = [];
  let heading = '';
  let inside = false;
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) heading = line.replace(/^#+\s*/, '');
    if (!line.startsWith('|')) {
      inside = false;
      continue;
    }
    const cells = cellsOf(line);
    if (!inside) tables.push({ heading, columns: cells, rows: [] });
    else if (!cells.every((cell) => /^:?-+:?$/.test(cell))) tables.at(-1)?.rows.push(cells);
    inside = true;
  }
  return tables;
}

/** What stands between backticks. */
export function codesOf(text: string): readonly string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}

/** The text below a heading, up to the next one of the same or a higher rank. */
export function sectionOf(text: string, heading: string): string {
  const lines = text.split('\n');
  const from = lines.findIndex((line) => line.replace(/^#+\s*/, '') === heading && line.startsWith('#'));
  if (from < 0) throw new Error(`There is no heading "${heading}".`);
  const rank = /^#+/.exec(lines[from] ?? '')?.[0].length ?? 1;
  let fenced = false;
  for (let at = from + 1; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if (line.startsWith('```')) fenced = !fenced;
    if (!fenced && line.startsWith('#') && (/^#+/.exec(line)?.[0].length ?? 9) <= rank)
      return lines.slice(from + 1, at).join('\n');
  }
  return lines.slice(from + 1).join('\n');
}

/** Fenced blocks of a language, in order. */
export function blocksOf(text: string, language: string): readonly string[] {
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, given]) => given === language)
    .map(([, , block = '']) => block);
}
