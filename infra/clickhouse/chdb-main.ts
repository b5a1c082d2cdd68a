// node infra/clickhouse/chdb-main.ts --data-dir DIR --host HOST --port PORT: the embedded ClickHouse, a process of its own
// (chdb and other sessions in one process hang each other, FACTS.md).
import { parseArgs } from 'node:util';
import { ChdbServer } from './chdb-server.ts';

const { values } = parseArgs({
  options: { 'data-dir': { type: 'string' }, host: { type: 'string' }, port: { type: 'string' } },
});
const options = {
  dataDir: values['data-dir'] ?? '.millrace/clickhouse',
  host: values.host ?? '127.0.0.1',
  port: Number(values.port ?? 8123),
};
const server = new ChdbServer(options);
await server.start(options);
process.stdout.write(`listening on ${options.host}:${options.port}\n`);

let stopping = false;
const stop = (): void => {
  if (stopping) return;
  stopping = true;
  server.stop().then(
    () => process.exit(0),
    () => process.exit(1),
  );
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
