// The port to SQL, spoken by the embedded ClickHouse and by a server alike.
import { Failure } from '../../schemas/failure.ts';

/** For `{name:Type}` places. */
export type SqlParameters = Readonly<Record<string, string | number | readonly string[]>>;

export interface Sql {
  query<T>(statement: string, parameters?: SqlParameters): Promise<T[]>;
  /** A statement's answer as text in the given format; tables of the database `millrace` need not name it. */
  text(statement: string, format: string): Promise<string>;
  exec(statement: string): Promise<void>;
  /** One block, once: repeating it with the same token changes nothing. */
  insert(table: string, columns: readonly string[], format: 'RowBinary', data: Buffer, token: string): Promise<void>;
}

/** Topic name → table name in the database `millrace`. */
export function tableOf(topic: string, prefix: string): string {
  const bare = topic.startsWith(prefix) ? topic.slice(prefix.length) : topic;
  return bare.replaceAll(/[^A-Za-z0-9]/g, '_');
}

export const DATABASE = 'millrace';

/** None while the table is missing: it is made with its first row. */
export async function rowsIfAny<T>(sql: Sql, statement: string, parameters: SqlParameters): Promise<T[]> {
  try {
    return await sql.query<T>(statement, parameters);
  } catch (error) {
    if (error instanceof Failure && error.code === 'unknown_name') return [];
    throw error;
  }
}
