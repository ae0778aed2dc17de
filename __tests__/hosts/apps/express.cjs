// CommonJS, with the patch of Express 4 for handlers that reject.
const express = require('express');

if (process.env.ASYNC_ERRORS !== undefined) require('express-async-errors');
const { createSnapshotRouter } = require('express-git-snapshot');

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
