// node infra/roles/main.ts --role NAME [--instance N] [--status-file FILE]: one role as a process, with its health and metrics on
// a loopback port.
import { parseArgs } from 'node:util';
import { Registry, collectDefaultMetrics } from 'prom-client';
import { Failure } from '../../schemas/failure.ts';
import { systemClock } from '../clock.ts';
import { connect } from '../connect.ts';
import { diskFull, isDiskFull } from '../disk-space.ts';
import { writeInstanceFile } from '../instances.ts';
import { makeLogger } from '../logging.ts';
import { instanceName, readSettings } from '../settings.ts';
import { placesOf } from '../state/group-places.ts';
import { listenForOthers } from '../state/state-listener.ts';
import { StateServer } from '../state/state-server.ts';
import { ApplicationReports } from './application-reports.ts';
import { type RoleContext, type RunningRole } from './context.ts';
import { healthServer, portOf } from './health-server.ts';
import { ROLES, type Role } from './roles.ts';

const PROGRAMS: Readonly<Record<Role, () => Promise<{ run(context: RoleContext): Promise<RunningRole> }>>> = {
  features: () => import('./features.ts'),
  scoring: () => import('./scoring.ts'),
  shadow: () => import('./shadow.ts'),
  lifecycle: () => import('./lifecycle.ts'),
  training: () => import('./training.ts'),
  monitoring: () => import('./monitoring.ts'),
  analytics: () => import('./analytics.ts'),
  gateway: () => import('./gateway.ts'),
};

/** Of the platform's applications feature views can be read from outside. */
const STATES_OF: ReadonlySet<Role> = new Set(['features']);

/** A role that does not stop by itself within this time is ended. */
const STOP_WITHIN_MS = 8000;

export async function runRole(role: Role, copy: string, statusFile: string | null): Promise<void> {
  const settings = readSettings();
  const instance = instanceName(settings, copy);
  const logger = makeLogger(settings, role);
  const { log, registry, codec, topics } = connect(settings, role);
  const metrics = new Registry();
  metrics.setDefaultLabels({ role, instance });
  collectDefaultMetrics({ register: metrics });
  let ready = false;
  let running: RunningRole | null = null;
  let ending = false;
  const end = (code: number): void => {
    if (ending) return;
    ending = true;
    ready = false;
    const overdue = setTimeout(() => process.exit(code === 0 ? 1 : code), STOP_WITHIN_MS);
    (async () => {
      await running?.stop();
      await log.close();
    })().then(
      () => process.exit(code),
      (error: unknown) => {
        logger.error({ err: error }, 'stopping failed');
        clearTimeout(overdue);
        process.exit(1);
      },
    );
  };
  const failed = (cause: unknown): void => {
    if (ending) return;
    const error = !(cause instanceof Failure) && isDiskFull(cause) ? diskFull(settings.dataDir, cause) : cause;
    logger.error({ err: error }, error instanceof Failure ? error.advice : 'the role gives up and starts anew');
    // what was not committed must not be: no orderly stop
    process.exit(1);
  };
  process.on('SIGTERM', () => end(0));
  process.on('SIGINT', () => end(0));
  process.on('unhandledRejection', failed);
  const reports = new ApplicationReports(role, instance);
  const places = placesOf(settings, log, systemClock);
  const states = new StateServer(() => reports.applications, places);
  const server = healthServer({ metrics, reports, states, ready: () => ready, failed });
  const program = await PROGRAMS[role]();
  const context: Omit<RoleContext, 'address'> = {
    settings,
    role,
    instance,
    places,
    clock: systemClock,
    logger,
    kafka: log,
    registry,
    codec,
    topics,
    metrics,
    reports,
    failed,
  };
  try {
    const listener = STATES_OF.has(role) ? await listenForOthers(states, settings) : null;
    running = await program.run({ ...context, address: listener?.address ?? null });
  } catch (error) {
    failed(error);
  }
  ready = true;
  const status = { role, instance, pid: process.pid, port: portOf(server) };
  if (statusFile !== null) writeInstanceFile(statusFile, status);
  logger.info(status, 'ready');
}

if (import.meta.filename === process.argv[1]) {
  const { values } = parseArgs({
    options: { role: { type: 'string' }, instance: { type: 'string' }, 'status-file': { type: 'string' } },
  });
  const role = ROLES.find((known) => known === values.role);
  if (role === undefined)
    throw new Failure('unknown_name', `There is no role ${values.role ?? '(none given)'}.`, {
      field: '--role',
      fix: `Use one of ${ROLES.join(', ')}.`,
    });
  await runRole(role, values.instance ?? '0', values['status-file'] ?? null);
}
