// ClickHouse in this process behind ClickHouse's own HTTP interface, so that any of its clients connects.
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { join } from 'node:path';
import { gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import { Session } from 'chdb';
import { Failure } from '../../schemas/failure.ts';
import { type HttpQuery, parseHttpQuery, quoted } from './http-query.ts';

export interface ChdbOptions {
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
}

const BODY_BYTES_MAX = 512 * 1024 * 1024;
/** Keeps the embedded engine small beside everything else on the machine. */
const SERVER_SETTINGS = [
  'SET max_threads = 2',
  'SET max_memory_usage = 1500000000',
  'SET max_insert_threads = 1',
  'SET allow_experimental_json_type = 1',
];

const SPOOL = 'millrace-chdb-';

/** A killed server leaves its blocks, and they would lie in memory until the machine starts anew. */
function removeSpoolsOfTheDead(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(SPOOL) || existsSync(`/proc/${name.slice(SPOOL.length)}`)) continue;
    try {
      rmSync(join(folder, name), { recursive: true, force: true });
    } catch {
      // another user's
    }
  }
}

export class ChdbServer {
  readonly #session: Session;
  readonly #spool: string;
  readonly #structures = new Map<string, string>();
  readonly #server: Server;
  /** The session's current database; null: a statement may have changed it. */
  #database: string | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  constructor({ dataDir }: ChdbOptions) {
    mkdirSync(dataDir, { recursive: true });
    this.#session = new Session(dataDir);
    // a memory file system where there is one: inserts are read from there
    const folder = existsSync('/dev/shm') ? '/dev/shm' : dataDir;
    removeSpoolsOfTheDead(folder);
    this.#spool = join(folder, `${SPOOL}${process.pid}`);
    mkdirSync(this.#spool, { recursive: true });
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch((error: unknown) =>
        response.destroy(error instanceof Error ? error : undefined),
      );
    });
    this.#server.keepAliveTimeout = 60_000;
  }

  async start({ host, port }: ChdbOptions): Promise<number> {
    for (const setting of SERVER_SETTINGS) await this.#query(setting, 'TabSeparated');
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.#turn;
    this.#session.close?.();
    rmSync(this.#spool, { recursive: true, force: true });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    response.setHeader('X-ClickHouse-Server-Display-Name', 'millrace-chdb');
    response.setHeader('X-ClickHouse-Query-Id', url.searchParams.get('query_id') ?? randomUUID());
    if (url.pathname === '/ping' || (request.method === 'GET' && !url.searchParams.has('query'))) {
      response.end('Ok.\n');
      return;
    }
    try {
      const body = await readBody(request);
      const query = parseHttpQuery(url, body);
      const database = databaseOf(request, url);
      const startedMs = performance.now();
      // one session runs one statement at a time
      const bytes = await this.#exclusively(async () => {
        await this.#enter(database);
        return query.insert === null ? this.#run(query) : this.#insert(query.insert, query.settings);
      });
      response.setHeader('X-ClickHouse-Format', query.format ?? 'TabSeparated');
      response.setHeader('X-ClickHouse-Timezone', 'UTC');
      response.setHeader(
        'X-ClickHouse-Summary',
        JSON.stringify({
          read_rows: '0',
          read_bytes: '0',
          written_rows: '0',
          written_bytes: '0',
          total_rows_to_read: '0',
          result_rows: '0',
          result_bytes: String(bytes.length),
          elapsed_ns: String(Math.round((performance.now() - startedMs) * 1e6)),
        }),
      );
      response.setHeader('Content-Type', contentType(query.format));
      response.end(bytes);
    } catch (error) {
      answerError(response, error);
    }
  }

  #exclusively<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(action);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #query(statement: string, format: string): Promise<Uint8Array> {
    return (await this.#session.queryAsync(statement, { format })).bytes();
  }

  /** Makes a database the current one: the session is shared, and each request has its own. */
  async #enter(database: string): Promise<void> {
    if (database === this.#database) return;
    await this.#query(`USE \`${database.replaceAll(/[\\`]/g, '\\$&')}\``, 'TabSeparated');
    this.#database = database;
  }

  async #run({ statement, format, settings }: HttpQuery): Promise<Uint8Array> {
    if (/^\s*(CREATE|DROP|ALTER|RENAME|TRUNCATE)\b/i.test(statement)) this.#structures.clear();
    if (/\b(USE|DROP)\b/i.test(statement)) this.#database = null;
    const reads = /^\s*(SELECT|WITH|\()/i.test(statement) && !/\bSETTINGS\b/i.test(statement);
    const clause = Object.entries(settings).map(
      ([name, value]) => `${name}=${/^-?\d+(\.\d+)?$/.test(value) ? value : quoted(value)}`,
    );
    const bare = statement.replace(/\s+FORMAT\s+\w+\s*$/i, '');
    return this.#query(
      reads && clause.length > 0 ? `${bare} SETTINGS ${clause.join(', ')}` : bare,
      format ?? 'TabSeparated',
    );
  }

  async #insert(
    { table, columns, format, data }: NonNullable<HttpQuery['insert']>,
    settings: Readonly<Record<string, string>>,
  ): Promise<Uint8Array> {
    if (data.length === 0) return Buffer.alloc(0);
    const structure = await this.#structureOf(table, columns);
    const path = join(this.#spool, randomUUID());
    try {
      writeFileSync(path, data);
      const token = settings['insert_deduplication_token'];
      const clause =
        token === undefined ? '' : ` SETTINGS insert_deduplicate=1, insert_deduplication_token=${quoted(token)}`;
      await this.#query(
        `INSERT INTO ${table} ${columns}${clause} SELECT * FROM file(${quoted(path)}, ${format}, ${quoted(structure)})`,
        'TabSeparated',
      );
    } finally {
      rmSync(path, { force: true });
    }
    return Buffer.alloc(0);
  }

  /** Names and types of the columns that an insert fills. */
  async #structureOf(table: string, columns: string): Promise<string> {
    const key = `${this.#database ?? ''} ${table}${columns}`;
    const known = this.#structures.get(key);
    if (known !== undefined) return known;
    const text = Buffer.from(await this.#query(`DESCRIBE TABLE ${table}`, 'JSONCompactEachRow')).toString();
    const described = text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as [string, string, ...unknown[]])
      .map(([name, type]): [string, string] => [name, type]);
    const wanted =
      columns === ''
        ? null
        : columns
            .slice(1, -1)
            .split(',')
            .map((name) => name.trim().replace(/^[`"]|[`"]$/g, ''));
    const chosen =
      wanted === null
        ? described
        : wanted.map((name) => described.find(([column]) => column === name) ?? ([name, ''] as [string, string]));
    const missing = chosen.find(([, type]) => type === '');
    if (missing !== undefined)
      throw new Error(
        `Code: 16. DB::Exception: No such column ${missing[0]} in table ${table}. (NO_SUCH_COLUMN_IN_TABLE)`,
      );
    const structure = chosen.map(([name, type]) => `\`${name}\` ${type}`).join(', ');
    this.#structures.set(key, structure);
    return structure;
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX)
      throw new Failure('invalid_request', `The body is larger than ${BODY_BYTES_MAX} bytes.`, {
        fix: 'Insert in smaller blocks.',
      });
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity' || encoding === '') return body;
  if (encoding === 'gzip') return gunzipSync(body);
  if (encoding === 'deflate') return inflateSync(body);
  if (encoding === 'zstd') return zstdDecompressSync(body);
  throw new Failure('invalid_request', `Bodies compressed with ${encoding} are not read here.`, {
    field: 'Content-Encoding',
    fix: 'Use gzip, deflate, zstd or none (clickhouse-connect: compress=False).',
  });
}

/** As ClickHouse takes it: the parameter, or else the header. */
function databaseOf(request: IncomingMessage, url: URL): string {
  const header = request.headers['x-clickhouse-database'];
  const named = url.searchParams.get('database') ?? (typeof header === 'string' ? header : '');
  return named === '' ? 'default' : named;
}

function answerError(response: ServerResponse, error: unknown): void {
  if (error instanceof Failure) {
    response.statusCode = error.field === 'Content-Encoding' ? 415 : 400;
    response.setHeader('X-ClickHouse-Exception-Code', '36');
    response.end(`Code: 36. DB::Exception: ${error.advice} (BAD_ARGUMENTS)\n`);
    return;
  }
  const text = error instanceof Error ? error.message : String(error);
  const code = /Code:\s*(\d+)/.exec(text)?.[1] ?? '1002';
  // as the server does: what the asker did wrong is 400 or 404, the rest 500
  response.statusCode =
    code === '60' || code === '81'
      ? 404
      : ['62', '47', '36', '16', '53', '27', '6', '43', '386'].includes(code)
        ? 400
        : 500;
  response.setHeader('X-ClickHouse-Exception-Code', code);
  response.end(text.startsWith('Code:') ? `${text}\n` : `Code: ${code}. DB::Exception: ${text}\n`);
}

function contentType(format: string | null): string {
  if (format === null) return 'text/tab-separated-values; charset=UTF-8';
  if (/^JSON(EachRow|CompactEachRow|StringsEachRow)/.test(format)) return 'application/x-ndjson; charset=UTF-8';
  if (format.startsWith('JSON')) return 'application/json; charset=UTF-8';
  if (format.startsWith('CSV')) return 'text/csv; charset=UTF-8';
  if (/^(Native|RowBinary|Parquet|Arrow)/.test(format)) return 'application/octet-stream';
  return 'text/plain; charset=UTF-8';
}
