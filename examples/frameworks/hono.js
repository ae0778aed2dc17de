import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import express from 'express';
import { Hono } from 'hono';
import { listening, port, snapshots } from './snapshots.js';

const hono = new Hono();
hono.get('/', (c) => c.text('home\n'));
const app = express().use('/git', snapshots).use(getRequestListener(hono.fetch));
const server = createServer(app).listen(port, () => listening(server));
