import express from 'express';
import { createSnapshotRouter } from 'express-git-snapshot';

const { PORT = '3000', DATA_DIR = './data', GITHUB_BASE_URL } = process.env;

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
  logger: console,
});

const app = express();
app.use('/git', snapshots);
app.get('/', (_req, res) => res.send('GET /git/github.com/{org}/{repo}/snapshot.tar.zst\n'));

const server = app.listen(Number(PORT), (error) => {
  if (error) throw error;
  console.log(`listening on http://localhost:${server.address().port}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    // Requests that have come are answered first.
    server.close(() => snapshots.close({ drain: true }));
  });
}
