// An application at work as its process tells of it: at /metrics, at /applications, and to whoever asks the run folder.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Registry } from 'prom-client';
import { taskTable } from '../../../../infra/cli/status-command.ts';
import { systemClock } from '../../../../infra/clock.ts';
import { TopologyWatch } from '../../../../infra/console-topology.ts';
import { removeInstanceFile, reportsOf, streamFile, writeInstanceFile } from '../../../../infra/instances.ts';
import { ApplicationReports } from '../../../../infra/roles/application-reports.ts';
import { commitTimer, measureApplications } from '../../../../infra/roles/engine-parts.ts';
import { healthServer, portOf } from '../../../../infra/roles/health-server.ts';
import { rocksStores } from '../../../../infra/rocksdb/rocksdb-stores.ts';
import { StateServer } from '../../../../infra/state/state-server.ts';
import { topologyState } from '../../../../serving/console/topology.ts';
import { Application } from '../../../../streams/application.ts';
import { MemoryBroker } from '../../../../streams/testing/memory-broker.ts';
import { MemoryLog } from '../../../../streams/testing/memory-log.ts';
import { compiledOn, counting, plainOptions } from '../../../fakes/plain-engine.ts';

const AT_MS = Date.UTC(2026, 0, 5, 10);

const PARTITIONS = new Map([
  ['words', 2],
  ['counts', 2],
]);
const changelogTopic = (store: string): string => `counting-${store}-changelog`;

const folder = mkdtempSync(join(tmpdir(), 'millrace-observed-'));
const metrics = new Registry();
const reports = new ApplicationReports('stream', '7');
const allCommitted = Promise.withResolvers<void>();
let application: Application;
let server: Server;

before(async () => {
  const broker = new MemoryBroker({ clock: systemClock, partitionsOfMissing: () => 2 });
  const log = new MemoryLog({ broker, clock: systemClock, clientId: 'test' });
  const { spec, topics } = compiledOn(counting, PARTITIONS, changelogTopic);
  broker.createTopics(topics);
  const committed = commitTimer(metrics, 'counting');
  application = new Application({
    ...plainOptions(changelogTopic),
    ...{ spec, log, clock: systemClock, stores: rocksStores(join(folder, 'state')), instance: '7' },
    committed(tookMs) {
      committed(tookMs);
      if (application.status().written >= 6) allCommitted.resolve();
    },
  });
  measureApplications({ metrics, reports, clock: systemClock }, new Map([['counting', application]]));
  await application.start();
  application.finished.catch((error: unknown) => allCommitted.reject(error));
  const writer = log.writer();
  const word = (partition: number, key: string) => ({
    ...{ topic: 'words', partition, timestampMs: AT_MS + partition * 1000 },
    ...{ key: Buffer.from(key), value: Buffer.from(JSON.stringify(key)) },
  });
  // an output and a changelog record for each
  await writer.append([word(0, 'a'), word(0, 'b'), word(1, 'c')]);
  await allCommitted.promise;
  server = healthServer({
    ...{ metrics, reports, ready: () => true },
    states: new StateServer(
      () => reports.applications,
      async () => [],
    ),
    failed: (error) => {
      throw error;
    },
  });
  await once(server, 'listening');
});
after(async () => {
  await application.stop();
  server.close();
  rmSync(folder, { recursive: true });
});

const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${portOf(server)}${path}`);

test('metrics have a series for each task, its state included, and how long commits took', async () => {
  const text = await (await get('/metrics')).text();
  const value = (series: string): number => {
    const line = text.split('\n').find((one) => one.startsWith(`${series} `));
    assert.ok(line !== undefined, `${series} in\n${text}`);
    return Number(line.slice(series.length + 1));
  };
  const of = (task: string): string => `{application="counting",task="${task}"}`;
  assert.equal(value(`millrace_task_event_time_seconds${of('stage-0-1')}`), (AT_MS + 1000) / 1000);
  assert.equal(value(`millrace_task_processed_records${of('stage-0-0')}`), 2);
  assert.equal(value(`millrace_task_state_keys${of('stage-0-0')}`), 2);
  assert.equal(value(`millrace_task_lag_records${of('stage-0-1')}`), 0);
  assert.equal(value(`millrace_task_queued_records${of('stage-0-1')}`), 0);
  assert.ok(value(`millrace_task_state_bytes${of('stage-0-0')}`) > 0);
  assert.ok(value('millrace_application_commit_duration_seconds_count{application="counting"}') >= 1);
  assert.ok(value('millrace_rocksdb_written_bytes_total{store="counting.stage-0-0"}') > 0);
  assert.equal(value('millrace_rocksdb_background_errors{store="counting.stage-0-1"}'), 0);
  // counters are what RocksDB says, however often it is asked
  const again = await (await get('/metrics')).text();
  assert.ok(
    again.includes(
      `millrace_rocksdb_written_bytes_total{store="counting.stage-0-1"} ${value('millrace_rocksdb_written_bytes_total{store="counting.stage-0-1"}')}\n`,
    ),
  );
});

test('who asks the run folder hears of it; a file that a killed process left is passed over', async () => {
  const file = streamFile(folder, 'counting', '7');
  writeInstanceFile(file, { role: 'stream', instance: '7', pid: process.pid, port: portOf(server) });
  writeInstanceFile(streamFile(folder, 'gone', '0'), { role: 'stream', instance: '0', pid: 1, port: 1 });
  const told = await reportsOf(folder);
  assert.deepEqual(told, JSON.parse(JSON.stringify([await reports.read()])));
  const [report] = told[0]?.applications ?? [];
  assert.deepEqual(
    report?.tasks.map(({ name, processed, keys, eventTimeMs }) => [name, processed, keys, eventTimeMs]),
    [
      ['stage-0-0', 2, 2, AT_MS],
      ['stage-0-1', 1, 1, AT_MS + 1000],
    ],
  );
  assert.ok((report?.tasks ?? []).every(({ stateBytes }) => stateBytes !== null && stateBytes > 0));

  let nowMs = 0;
  const watch = new TopologyWatch(folder, () => nowMs);
  await watch.refresh();
  assert.deepEqual(
    watch.applications[0]?.tasks.map(({ perSecond }) => perSecond),
    [null, null],
  );
  nowMs += 1000;
  await watch.refresh();
  assert.deepEqual(
    watch.applications[0]?.tasks.map(({ perSecond }) => perSecond),
    [0, 0],
  );
  removeInstanceFile(file);
  // what was just asked is not asked again
  await watch.refresh();
  assert.equal(watch.applications.length, 1);
  nowMs += 1000;
  await watch.refresh();
  assert.equal(watch.applications.length, 0);
});

test('the table of `millrace status` has a line per task, below its application', async () => {
  const state = topologyState({ atMs: 0, instances: [await reports.read()] }, null);
  const lines = taskTable(state).map((line) => line.replaceAll(/ {2,}/g, ' | ').trim());
  assert.deepEqual(lines.slice(0, 3), [
    '',
    '| task | at | event time | lag | queued | processed | keys | state',
    '| counting',
  ]);
  assert.match(lines[3] ?? '', /^\| stage-0-0 \| stream 7 \| 2026-01-05 10:00:00 \| 0 \| 0 \| 2 \| 2 \| \d+ kB$/);
  assert.deepEqual(taskTable([]), []);
});
