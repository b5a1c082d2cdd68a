// What a request to ClickHouse's HTTP interface asks for: the statement, its data, its parameters and settings.
import { Failure } from '../../schemas/failure.ts';

export interface HttpQuery {
  /** without its FORMAT clause when it is an insert with data */
  readonly statement: string;
  readonly format: string | null;
  readonly settings: Readonly<Record<string, string>>;
  /** an insert whose rows are in the body */
  readonly insert: {
    readonly table: string;
    readonly columns: string;
    readonly format: string;
    readonly data: Buffer;
  } | null;
}

/** Parameters of the interface itself, not settings of the query. */
const NOT_SETTINGS: ReadonlySet<string> = new Set([
  'query',
  'database',
  'default_format',
  'user',
  'password',
  'role',
  'query_id',
  'session_id',
  'session_timeout',
  'session_check',
  'wait_end_of_query',
  'enable_http_compression',
  'send_progress_in_http_headers',
  'http_headers_progress_interval_ms',
  'compress',
  'decompress',
  'buffer_size',
  'cancel_http_readonly_queries_on_client_close',
  'client_protocol_version',
  'session_timezone',
  'quota_key',
  'stacktrace',
]);

const INSERT =
  /^\s*INSERT\s+INTO\s+(?:TABLE\s+)?((?:[\w]+|`[^`]+`|"[^"]+")(?:\.(?:[\w]+|`[^`]+`|"[^"]+"))?)\s*(\([^)]*\))?\s*(?:SETTINGS\s+(.*?)\s+)?FORMAT\s+(\w+)[ \t]*;?\r?\n?/is;
const HEAD_BYTES = 16_384;

/** @throws Failure `invalid_request` */
export function parseHttpQuery(url: URL, body: Buffer): HttpQuery {
  const inUrl = url.searchParams.get('query') ?? '';
  const head = inUrl !== '' ? inUrl : body.subarray(0, HEAD_BYTES).toString('latin1');
  const settings: Record<string, string> = {};
  for (const [name, value] of url.searchParams) {
    if (!NOT_SETTINGS.has(name) && !name.startsWith('param_') && /^\w+$/.test(name)) settings[name] = value;
  }
  const match = INSERT.exec(head);
  if (match !== null) {
    const data = inUrl !== '' ? body : body.subarray(Buffer.byteLength(match[0], 'latin1'));
    for (const [name, value] of parseSettings(match[3] ?? '')) settings[name] = value;
    return {
      statement: '',
      format: null,
      settings,
      insert: { table: match[1] ?? '', columns: match[2] ?? '', format: match[4] ?? '', data },
    };
  }
  // a statement may stand in the URL and go on in the body
  const text =
    inUrl !== '' && body.length > 0 ? `${inUrl}\n${body.toString()}` : inUrl !== '' ? inUrl : body.toString();
  if (text.trim() === '')
    throw new Failure('invalid_request', 'There is no query.', {
      field: 'query',
      fix: 'Send it in the parameter `query` or in the body.',
    });
  if (text.includes('\0'))
    throw new Failure('invalid_request', 'The query holds a NUL byte.', {
      field: 'query',
      fix: 'Send the query as UTF-8 text.',
    });
  const statement = bindParameters(text, url.searchParams).trim().replace(/;+$/, '');
  const format = /\bFORMAT\s+(\w+)\s*(?:SETTINGS\s[^;]*)?$/i.exec(statement)?.[1] ?? null;
  return { statement, format: format ?? url.searchParams.get('default_format'), settings, insert: null };
}

function parseSettings(text: string): [string, string][] {
  return text.split(',').flatMap((part) => {
    const match = /^\s*(\w+)\s*=\s*'?([^']*?)'?\s*$/.exec(part);
    return match === null ? [] : [[match[1] ?? '', match[2] ?? '']];
  });
}

export function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** `{name:Type}` becomes a cast of the parameter's text; arrays and identifiers too. */
function bindParameters(text: string, parameters: URLSearchParams): string {
  return text.replace(/\{\s*(\w+)\s*:\s*((?:[^{}'"]|'[^']*')+?)\s*\}/g, (whole, name: string, type: string) => {
    const value = parameters.get(`param_${name}`);
    if (value === null) {
      if (parameters.size === 0) return whole;
      throw new Failure('invalid_request', `The query parameter ${name} is not given.`, {
        field: `param_${name}`,
        fix: `Add param_${name}=… to the address.`,
      });
    }
    if (type === 'Identifier') return `\`${value.replaceAll('`', '')}\``;
    // values come in the escaped form of TabSeparated
    return value === '\\N' ? `CAST(NULL AS ${type})` : `CAST(${quoted(unescapeTsv(value))} AS ${type})`;
  });
}

function unescapeTsv(value: string): string {
  return value.replace(
    /\\(.)/g,
    (_, letter: string) => ({ n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', '0': '\0' })[letter] ?? letter,
  );
}
