import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import express from 'express';
import { createSnapshotRouter, FileSystemStore } from 'express-git-snapshot';
import {
  instrumentLocks,
  instrumentRouter,
  instrumentService,
  instrumentStore,
} from 'express-git-snapshot/opentelemetry';

const { PORT = '3000', DATA_DIR = './data', GITHUB_BASE_URL, REDIS_URL } = process.env;

// The app serves the metrics itself, instead of on a port of their own.
const exporter = new PrometheusExporter({ preventServerStart: true });
const meterProvider = new MeterProvider({ readers: [exporter] });

const store = new FileSystemStore({ directory: `${DATA_DIR}/snapshots`, maxBytes: 50e9 });
const countedStore = instrumentStore(store, { meterProvider, countInterval: 60_000 });

/** Only for replicas that share a store: an app that has its own needs no locks. */
async function sharedLocks(url) {
  const { RedisLocks } = await import('express-git-snapshot/redis');
  return new RedisLocks({ url });
}
const locks = REDIS_URL && (await sharedLocks(REDIS_URL));

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
  store: countedStore,
  ...(locks && { locks: instrumentLocks(locks, { meterProvider }) }),
  logger: console,
});
instrumentRouter(snapshots, { meterProvider });
instrumentService(snapshots.service, { meterProvider });

const app = express();
app.use('/git', snapshots);
// In production, let only your Prometheus read this.
app.get('/metrics', (req, res) => exporter.getMetricsRequestHandler(req, res));

const server = app.listen(Number(PORT), (error) => {
  if (error) throw error;
  console.log(`listening on http://localhost:${server.address().port}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    // Requests that have come are answered first.
    server.close(async () => {
      await snapshots.close({ drain: true });
      await countedStore.close();
      await locks?.close();
      await meterProvider.shutdown();
    });
  });
}
