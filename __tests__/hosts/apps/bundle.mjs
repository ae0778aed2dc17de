// It has no top-level await, so a bundler can make a CommonJS file from it.
import express from 'express';
import { createSnapshotRouter } from 'express-git-snapshot';

const { DATA_DIR: dataDir, UPSTREAM: baseUrl } = process.env;
const hosts = { 'git.example': { baseUrl, allowPrivateAddresses: true } };
const snapshots = createSnapshotRouter({ dataDir, hosts });
const server = express()
  .use('/git', snapshots)
  .listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
process.once('SIGTERM', async () => {
  server.close();
  server.closeIdleConnections();
  await snapshots.close({ drain: true });
});
