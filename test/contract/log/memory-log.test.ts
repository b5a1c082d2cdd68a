import { MemoryBroker } from '../../../streams/testing/memory-broker.ts';
import { MemoryLog } from '../../../streams/testing/memory-log.ts';
import { SimulatedTime } from '../../../streams/testing/simulated-time.ts';
import { type LogWorld } from './log-world.ts';
import { membershipSuite } from './membership-suite.ts';
import { recordsSuite } from './records-suite.ts';
import { transactionsSuite } from './transactions-suite.ts';

/** Markers that end transactions are written at once, or some time later, as Kafka does it. */
function memoryWorld(name: string, markerDelayMs: number | null): LogWorld {
  const time = new SimulatedTime({ startMs: 1_700_000_000_000 });
  const broker = new MemoryBroker({
    clock: time.clock,
    ...(markerDelayMs === null
      ? {}
      : { defer: (_what: string, action: () => void): void => void time.schedule(markerDelayMs, action) }),
  });
  let clients = 0;
  return {
    name,
    clock: time.clock,
    client: (clock) => {
      clients += 1;
      return new MemoryLog({ broker, clock, clientId: `client-${clients}` });
    },
    run: (body) => time.run(body, 300_000),
  };
}

for (const world of [memoryWorld('memory', null), memoryWorld('memory, slow markers', 70)]) {
  recordsSuite(world);
  transactionsSuite(world);
  membershipSuite(world);
}
