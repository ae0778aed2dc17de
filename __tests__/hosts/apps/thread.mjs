// The whole app in a worker thread.
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { createSnapshotRouter } from 'express-git-snapshot';
import { express, options } from './host.mjs';

if (isMainThread) {
  const thread = new Worker(new URL(import.meta.url), { stdout: false });
  thread.on('message', (port) => console.log(`listening ${port}`));
  process.once('SIGTERM', () => thread.postMessage('end'));
} else {
  const snapshots = createSnapshotRouter(options);
  await snapshots.ready();
  const server = express()
    .use('/git', snapshots)
    .listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
  parentPort.once('message', async () => {
    server.close();
    server.closeIdleConnections();
    await snapshots.close({ drain: true });
  });
}
