// A broker for tests.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RunningBroker, startBroker } from '../../../infra/embedded/broker.ts';

/** Starts it with its data below `folder`; what it said is told when it does not start. */
export async function startTestBroker(folder: string, port: number): Promise<RunningBroker> {
  const libsDir = process.env['MILLRACE_KAFKA_LIBS'];
  if (libsDir === undefined) throw new Error('MILLRACE_KAFKA_LIBS is not set; run `npm test -- integration contract`.');
  const logFile = join(folder, 'broker.log');
  try {
    return await startBroker({
      ...{ dataDir: join(folder, 'kafka'), libsDir, logFile, host: '127.0.0.1', port },
      ...{ java: process.env['MILLRACE_JAVA'] ?? 'java', heapMb: 512 },
    });
  } catch (error) {
    process.stderr.write(readFileSync(logFile, 'utf8').slice(-3000));
    throw error;
  }
}
