import type { AddressInfo } from 'node:net';
import express from 'express';
import {
  createSnapshotRouter,
  type SnapshotOptions,
  type SnapshotRouter,
} from 'express-git-snapshot';

const { DATA_DIR: dataDir = '', UPSTREAM: baseUrl = '' } = process.env;
const hosts: SnapshotOptions['hosts'] = { 'git.example': { baseUrl, allowPrivateAddresses: true } };
const snapshots: SnapshotRouter = createSnapshotRouter({ dataDir, hosts });
const server = express().use('/git', snapshots).listen(0, '127.0.0.1');
server.once('listening', () => {
  console.log(`listening ${(server.address() as AddressInfo).port}`);
});
process.once('SIGTERM', async () => {
  server.close();
  server.closeIdleConnections();
  await snapshots.close({ drain: true });
});
