import { FileSystemStore, TieredStore } from 'express-git-snapshot';
import { MachineLocks, withFallback } from 'express-git-snapshot/locks';

/**
 * Where snapshots are stored. With S3_BUCKET and REDIS_URL, replicas share them. Without these, the server keeps
 * everything in DATA_DIR, as it does by default.
 *
 * @returns `options` of the router.
 */
export async function createStorage({ DATA_DIR = './data', S3_BUCKET, S3_ENDPOINT, REDIS_URL }) {
  if (!S3_BUCKET && !REDIS_URL) return { options: {}, close: async () => {} };
  if (!S3_BUCKET || !REDIS_URL) throw new Error('set both S3_BUCKET and REDIS_URL, or neither');
  const { S3Store } = await import('express-git-snapshot/s3');
  const { RedisLocks } = await import('express-git-snapshot/redis');
  const local = new FileSystemStore({ directory: `${DATA_DIR}/snapshots`, maxBytes: 20e9 });
  const shared = new S3Store({
    bucket: S3_BUCKET,
    // Region and credentials are in AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    config: S3_ENDPOINT ? { endpoint: S3_ENDPOINT, forcePathStyle: true } : {},
  });
  const store = new TieredStore({
    local,
    shared,
    onDegraded: ({ tier, error }) => console.error(`the ${tier} store:`, error),
  });
  const redis = new RedisLocks({ url: REDIS_URL });
  // While Redis is down, each replica builds by itself.
  const locks = withFallback(redis, new MachineLocks({ directory: `${DATA_DIR}/locks` }));
  return {
    options: { store, locks },
    async close() {
      await Promise.all([redis.close(), store.close()]);
      await Promise.all([local.close(), shared.close()]);
    },
  };
}
