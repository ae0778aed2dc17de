import express from 'express';
import { createSnapshotRouter, createWebhookHandler } from 'express-git-snapshot';

const { PORT = '3000', DATA_DIR = './data', GITHUB_BASE_URL, WEBHOOK_SECRET } = process.env;
if (!WEBHOOK_SECRET) throw new Error('WEBHOOK_SECRET is not set');

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
// Before any body parser: the signature covers the bytes as sent.
app.use(
  '/webhook',
  createWebhookHandler({ secret: WEBHOOK_SECRET.split(','), service: snapshots.service }),
);
app.use('/git', snapshots);

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
