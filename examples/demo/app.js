/** The app of the demo, in a process of its own: what a team would run. */
import { once } from 'node:events';
import express from 'express';
import { createSnapshotRouter, createWebhookHandler, MemoryLocks } from 'express-git-snapshot';

const { DATA_DIR, HOST, ORIGIN_URL, UPSTREAM_URL, WEBHOOK_SECRET } = process.env;

const snapshots = createSnapshotRouter({
  dataDir: DATA_DIR,
  hosts: {
    [HOST]: { baseUrl: UPSTREAM_URL, originUrl: ORIGIN_URL, allowPrivateAddresses: true },
  },
  freshness: { checkInterval: 0, minRebuildInterval: 0 }, // a snapshot right after each push
  locks: new MemoryLocks(), // the locks of a killed process would leave files
  logger: false, // the demo itself says what failed
});

const app = express();
app.use('/webhook', createWebhookHandler({ secret: WEBHOOK_SECRET, service: snapshots.service }));
app.use('/git', snapshots);
const server = app.listen(0, '127.0.0.1');
await once(server, 'listening');
process.send(server.address().port);

// The demo ends the app by ending the connection to it. So the app ends with the demo, however that ends.
process.once('disconnect', async () => {
  server.close();
  server.closeAllConnections();
  await snapshots.close();
});
// Ctrl-C goes to all processes of the terminal. The demo ends the app.
process.on('SIGINT', () => {});
