// https, or http2 with `HTTP2=1`, by whose compatibility API Express 5 also serves HTTP/1.1.
import { createSecureServer } from 'node:http2';
import { createServer } from 'node:https';
import { createSnapshotRouter } from 'express-git-snapshot';
import { express, listening, options } from './host.mjs';

const snapshots = createSnapshotRouter(options);
const app = express().use('/git', snapshots);
const { CERTIFICATE: cert, KEY: key } = process.env;
const server =
  process.env.HTTP2 === undefined
    ? createServer({ cert, key }, app)
    : createSecureServer({ cert, key, allowHTTP1: true }, app);
server.listen(0, '127.0.0.1', () => listening(server, snapshots));
