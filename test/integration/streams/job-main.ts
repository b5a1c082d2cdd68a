// One instance of the feature job as a process of its own, which says on its standard output how it is. SIGTERM: stops, and leaves
// its place in the group to itself or to others.
import { startFeatureJob } from '../../../infra/bench/feature-job.ts';
import { type JobArguments, type JobStatus } from './job-process.ts';

const { comesBack, ...options } = JSON.parse(process.argv[2] ?? '') as JobArguments;
const { application, log } = await startFeatureJob({
  ...options,
  notice: (text) => process.stderr.write(`notice: ${text}\n`),
});
let told = '';
const tell = (ended: string | null): void => {
  const { tasks, starting, states, restoredRecords, processed, lag, commits } = application.status();
  const status: JobStatus = {
    ...{ tasks: tasks.map(({ name }) => name), starting, states, restoredRecords, processed, lag, commits, ended },
  };
  const line = JSON.stringify(status);
  if (line !== told) process.stdout.write(`${line}\n`);
  told = line;
};
const timer = setInterval(() => tell(null), 20);
application.finished.catch((error: unknown) => {
  tell(
    error instanceof Error ? `${error.name} ${String((error as { code?: string }).code)}: ${error.message}` : 'failed',
  );
  process.exit(1);
});
process.on('SIGTERM', () => {
  application
    .stop({ comesBack, withinMs: 10_000 })
    .then((inTime) => {
      clearInterval(timer);
      tell(inTime ? 'stopped' : 'gave up');
      return log.close();
    })
    .then(
      () => process.exit(0),
      () => process.exit(1),
    );
});
