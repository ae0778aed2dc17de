import cluster from 'node:cluster';
import { createSnapshotRouter } from 'express-git-snapshot';
import { express, options } from './host.mjs';

if (cluster.isPrimary) {
  const workers = [cluster.fork(), cluster.fork()];
  let ready = 0;
  cluster.on('listening', (_worker, { port }) => {
    if (++ready === workers.length) console.log(`listening ${port}`);
  });
  process.once('SIGTERM', () => {
    for (const worker of workers) worker.process.kill('SIGTERM');
  });
  cluster.on('exit', (_worker, code) => {
    if (code !== 0) process.exitCode = 1;
  });
} else {
  const snapshots = createSnapshotRouter(options);
  await snapshots.ready();
  const server = express().use('/git', snapshots).listen(0, '127.0.0.1');
  process.once('SIGTERM', async () => {
    server.close();
    server.closeIdleConnections();
    await snapshots.close({ drain: true });
    cluster.worker.disconnect();
  });
}
