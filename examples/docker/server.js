import express from 'express';
import { createHealthRouter, createSnapshotRouter } from 'express-git-snapshot';
import { closeInTime } from './shutdown.js';
import { createStorage } from './storage.js';

const { PORT = '3000', DATA_DIR = './data', GITHUB_BASE_URL } = process.env;

const storage = await createStorage(process.env);

const snapshots = createSnapshotRouter({
  dataDir: DATA_DIR,
  hosts: {
    'github.com':
      GITHUB_BASE_URL === undefined
        ? {}
        : {
            baseUrl: GITHUB_BASE_URL,
            originUrl: 'https://github.com',
            allowPrivateAddresses: true,
          },
  },
  ...storage.options,
  logger: console,
});

const app = express();
app.use('/health', createHealthRouter(snapshots.service));
app.use('/git', (_req, res, next) => {
  // While this process ends, a client with an open connection sends its next request to another one.
  if (!server.listening) res.set('Connection', 'close');
  next();
});
app.use('/git', snapshots);

const server = app.listen(Number(PORT), (error) => {
  if (error) throw error;
  console.log(`listening on http://localhost:${server.address().port}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => closeInTime({ server, snapshots, storage }));
}
