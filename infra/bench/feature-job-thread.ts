// One thread of the feature job: an instance of its own in the same group.
import { parentPort, workerData } from 'node:worker_threads';
import { type FeatureJobOptions, startFeatureJob, tellRestore } from './feature-job.ts';

const { application, log } = await startFeatureJob(workerData as FeatureJobOptions);
application.finished.then(
  () => process.exit(0),
  (error: unknown) => {
    throw error;
  },
);
const telling = tellRestore(application, (line) => process.stderr.write(`${line}\n`));
parentPort?.postMessage('running');
parentPort?.on('message', () => {
  clearInterval(telling);
  application
    .stop()
    .then(() => log.close())
    .then(
      () => process.exit(0),
      () => process.exit(1),
    );
});
