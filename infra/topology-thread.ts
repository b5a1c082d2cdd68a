// One thread of a declared topology: an instance of its own in the same group, with health and metrics of its own.
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { Registry } from 'prom-client';
import { systemClock } from './clock.ts';
import { connect } from './connect.ts';
import { removeInstanceFile, streamFile, writeInstanceFile } from './instances.ts';
import { ApplicationReports } from './roles/application-reports.ts';
import { commitTimer, measureApplications } from './roles/engine-parts.ts';
import { healthServer, portOf } from './roles/health-server.ts';
import { readSettings } from './settings.ts';
import { placesOf } from './state/group-places.ts';
import { listenForOthers } from './state/state-listener.ts';
import { StateServer } from './state/state-server.ts';
import { type TopologyThread, loadTopology, runTopology } from './topology-runner.ts';

const { module, ...options } = workerData as TopologyThread;
const { instance } = options;
const settings = readSettings();
const declared = await loadTopology(module);
const connections = connect(settings, declared.id);
const metrics = new Registry();
metrics.setDefaultLabels({ role: 'stream', instance });
const reports = new ApplicationReports('stream', instance);
const states = new StateServer(() => reports.applications, placesOf(settings, connections.log, systemClock));
const application = await runTopology(declared, connections, settings, {
  ...options,
  address: (await listenForOthers(states, settings))?.address ?? null,
  notice: (text) => process.stderr.write(`${text}\n`),
  committed: commitTimer(metrics, declared.id),
});
measureApplications({ metrics, reports, clock: systemClock }, new Map([[declared.id, application]]));
const file = streamFile(settings.dataDir, declared.id, instance);
const server = healthServer({
  ...{ metrics, reports, states, ready: () => true },
  failed: (error) => {
    throw error;
  },
});
await once(server, 'listening');
writeInstanceFile(file, { role: 'stream', instance, pid: process.pid, port: portOf(server) });
application.finished.then(
  () => end(0),
  (error: unknown) => {
    removeInstanceFile(file);
    throw error;
  },
);
parentPort?.postMessage(application.status());
parentPort?.on('message', () => {
  application
    // one that has a name of its own is expected back
    .stop({ comesBack: settings.instance !== '' })
    .then(() => connections.log.close())
    .then(
      () => end(0),
      () => end(1),
    );
});

function end(code: number): void {
  removeInstanceFile(file);
  process.exit(code);
}
