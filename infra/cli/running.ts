// The stack that runs in a data folder, and what a killed one left there.
import { Failure } from '../../schemas/failure.ts';
import { systemClock } from '../clock.ts';
import { connects } from '../embedded/child.ts';
import { type Settings, brokersOf } from '../settings.ts';
import { endLeftovers } from '../supervisor/leftovers.ts';
import { type Supervisor, supervisorIn } from '../supervisor/lock.ts';
import { isAlive } from '../supervisor/processes.ts';

export function supervisorOf({ dataDir }: Settings): Supervisor | null {
  return supervisorIn(dataDir);
}

const STOP_WITHIN_MS = 60_000;
const STEP_MS = 100;

/** Asks the supervisor to stop and waits until it is gone. */
async function stopSupervisor({ pid }: Supervisor): Promise<void> {
  process.kill(pid, 'SIGTERM');
  const untilMs = systemClock.monotonicMs() + STOP_WITHIN_MS;
  while (isAlive(pid)) {
    if (systemClock.monotonicMs() > untilMs)
      throw new Failure('internal', `The supervisor (process ${pid}) does not stop.`, {
        fix: `End it with \`kill -9 ${pid}\`; nothing committed is lost.`,
      });
    await systemClock.sleep(STEP_MS);
  }
}

/** Stops what runs in the data folder, also what a killed supervisor left. Gives what that was, in words; null: nothing ran. */
export async function stopAll(settings: Settings): Promise<string | null> {
  const running = supervisorOf(settings);
  if (running !== null) {
    await stopSupervisor(running);
    return 'Stopped.';
  }
  const left = await endLeftovers(settings.dataDir);
  return left.length === 0 ? null : `Stopped what a killed supervisor had left: ${left.join(', ')}.`;
}

const CONNECT_WITHIN_MS = 3000;

function accepts(address: string): Promise<boolean> {
  const { hostname, port } = new URL(`kafka://${address}`);
  return connects(hostname.replace(/^\[|\]$/g, ''), Number(port === '' ? 9092 : port), CONNECT_WITHIN_MS);
}

/**
 * A client waits for minutes until a broker is back; somebody who has not started the platform should not.
 * @throws Failure `unreachable`
 */
export async function requireBroker(settings: Settings): Promise<void> {
  const brokers = brokersOf(settings);
  if ((await Promise.all(brokers.map(accepts))).some((yes) => yes)) return;
  throw new Failure('unreachable', `No Kafka answers at ${brokers.join(', ')}.`, {
    fix:
      settings.kafkaBrokers === null
        ? 'Start the platform with `npx millrace up --detach`, or name one that runs: MILLRACE_DATA_DIR and the ports, or KAFKA_BROKERS.'
        : 'Check KAFKA_BROKERS, and that they can be reached from here.',
  });
}
