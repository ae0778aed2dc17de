import express from 'express';
import { createSnapshotRouter, FileSystemStore, TieredStore } from 'express-git-snapshot';
import { RedisLocks } from 'express-git-snapshot/redis';
import { S3Store } from 'express-git-snapshot/s3';

const { PORT = '3000', DATA_DIR = './data', GITHUB_BASE_URL } = process.env;
const { REDIS_URL = 'redis://localhost:6379', S3_BUCKET = 'snapshots', S3_ENDPOINT } = process.env;

const shared = new S3Store({
  bucket: S3_BUCKET,
  // Region and credentials are in AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
  config: S3_ENDPOINT === undefined ? {} : { endpoint: S3_ENDPOINT, forcePathStyle: true },
});
const local = new FileSystemStore({ directory: `${DATA_DIR}/snapshots`, maxBytes: 20e9 });

const store = new TieredStore({
  local,
  shared,
  onDegraded: ({ tier, error }) => console.error(`the ${tier} store:`, error),
});
const locks = new RedisLocks({ url: REDIS_URL });

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
  store,
  locks,
  logger: console,
});

const { events } = snapshots.service;
events.on('jobEnded', ({ kind, error, repository, packBytes, seededBytes }) => {
  if (kind !== 'clone' || error !== undefined) return;
  const from = seededBytes > 0 ? 'what is stored' : 'the upstream';
  console.log(`mirrored ${repository.path} from ${from}: ${packBytes} bytes fetched`);
});

const app = express();
app.use('/git', snapshots);

const server = app.listen(Number(PORT), (error) => {
  if (error) throw error;
  console.log(`listening on http://localhost:${server.address().port}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    // Requests that have come are answered first.
    server.close(async () => {
      await snapshots.close({ drain: true });
      await Promise.all([store.close(), locks.close()]);
      await Promise.all([local.close(), shared.close()]);
    });
  });
}
