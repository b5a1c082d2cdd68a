// Sql over ClickHouse's HTTP interface.
import { Failure } from '../../schemas/failure.ts';
import { diskFull, isDiskFull } from '../disk-space.ts';
import { type Clock } from '../../streams/clock.ts';
import { DATABASE, type Sql } from '../../serving/analytics/sql.ts';

const RETRY_FOR_MS = 120_000;
const RETRY_STEP_MS = 200;

type Parameters = Readonly<Record<string, string | number | readonly string[]>>;

export class ClickHouseSql implements Sql {
  readonly #url: URL;
  readonly #clock: Clock;
  readonly #headers: Record<string, string>;
  readonly #retryForMs: number;

  /** @param url with user and password where the server wants them */
  constructor(url: string, clock: Clock, retryForMs = RETRY_FOR_MS) {
    this.#url = new URL(url);
    this.#clock = clock;
    this.#retryForMs = retryForMs;
    this.#headers = {};
    if (this.#url.username !== '') {
      this.#headers = {
        'X-ClickHouse-User': decodeURIComponent(this.#url.username),
        'X-ClickHouse-Key': decodeURIComponent(this.#url.password),
      };
      this.#url.username = '';
      this.#url.password = '';
    }
  }

  async query<T>(statement: string, parameters: Parameters = {}): Promise<T[]> {
    const settings: Record<string, string> = {
      default_format: 'JSONEachRow',
      output_format_json_quote_64bit_integers: '0',
      output_format_json_quote_denormals: '0',
      date_time_output_format: 'simple',
    };
    for (const [name, value] of Object.entries(parameters))
      settings[`param_${name}`] = typeof value === 'object' ? arrayText(value) : String(value);
    const text = await this.#post(statement, null, settings);
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as T);
  }

  text(statement: string, format: string): Promise<string> {
    return this.#post(statement, null, { default_format: format, database: DATABASE });
  }

  async exec(statement: string): Promise<void> {
    await this.#post(statement, null, {});
  }

  async insert(
    table: string,
    columns: readonly string[],
    format: 'RowBinary',
    data: Buffer,
    token: string,
  ): Promise<void> {
    const names = columns.map((column) => `\`${column}\``).join(', ');
    await this.#post(`INSERT INTO ${DATABASE}.\`${table}\` (${names}) FORMAT ${format}`, data, {
      insert_deduplication_token: token,
    });
  }

  async #post(statement: string, data: Buffer | null, parameters: Readonly<Record<string, string>>): Promise<string> {
    const untilMs = this.#clock.monotonicMs() + this.#retryForMs;
    const url = new URL(this.#url);
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    if (data !== null) url.searchParams.set('query', statement);
    for (;;) {
      try {
        const response = await fetch(url, {
          method: 'POST',
          headers: this.#headers,
          body: data === null ? statement : new Uint8Array(data),
        });
        const text = await response.text();
        if (response.ok) return text;
        throw failureOf(response.status, text);
      } catch (cause) {
        if (cause instanceof Failure) throw cause;
        if (this.#clock.monotonicMs() > untilMs)
          throw new Failure('unreachable', `ClickHouse does not answer at ${url.origin}.`, {
            fix: 'Check CLICKHOUSE_URL, or that the platform runs (`npx millrace status`).',
            cause,
          });
        await this.#clock.sleep(RETRY_STEP_MS);
      }
    }
  }
}

function arrayText(values: readonly string[]): string {
  return `[${values.map((value) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`).join(',')}]`;
}

function failureOf(status: number, text: string): Failure {
  const message = text.trim().split('\n')[0] ?? '';
  if (status === 401 || status === 403 || /AUTHENTICATION_FAILED/.test(message))
    return new Failure('unauthorized', message, { fix: 'Put user and password into CLICKHOUSE_URL.' });
  // 60 and 81 by number: the name stands behind the query, which may go over many lines
  if (/UNKNOWN_TABLE|UNKNOWN_DATABASE|Code: (60|81)\./.test(message))
    return new Failure('unknown_name', message, {
      fix: 'The warehouse makes a table when its first event arrives; wait a moment, or look with `millrace sql "SHOW TABLES"`.',
    });
  if (isDiskFull(message)) return diskFull('ClickHouse', message);
  return new Failure('invalid_request', message === '' ? `ClickHouse answered ${status}.` : message);
}
