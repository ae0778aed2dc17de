// https; or HTTP/2 with `HTTP2=1`, which an Express app can't serve, but a router can.
import { createSecureServer } from 'node:http2';
import { createServer } from 'node:https';
import { createSnapshotRouter } from 'express-git-snapshot';
import { express, listening, options } from './host.mjs';

const snapshots = createSnapshotRouter(options);
const { CERTIFICATE: cert, KEY: key } = process.env;
const server = process.env.HTTP2 === undefined ? byHttps() : byHttp2();
server.listen(0, '127.0.0.1', () => listening(server, snapshots));

function byHttps() {
  return createServer({ cert, key }, express().use('/git', snapshots));
}

function byHttp2() {
  const router = express.Router().use('/git', snapshots);
  const notFound = (res) => res.writeHead(404).end();
  return createSecureServer({ cert, key, allowHTTP1: true }, (req, res) => {
    router(req, res, () => notFound(res));
  });
}
