import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { createSnapshotRouter } from 'express-git-snapshot';
import { Hono } from 'hono';
import { express, listening, options } from './host.mjs';

const snapshots = createSnapshotRouter(options);
const hono = new Hono();
hono.get('/', (c) => c.text('home'));
const app = express().use('/git', snapshots).use(getRequestListener(hono.fetch));
const server = createServer(app).listen(0, '127.0.0.1', () => listening(server, snapshots));
