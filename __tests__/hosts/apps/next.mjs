import { createServer } from 'node:http';
import { createSnapshotRouter } from 'express-git-snapshot';
import next from 'next';
import { express, listening, options } from './host.mjs';

const snapshots = createSnapshotRouter(options);
const pages = next({ dev: false, dir: import.meta.dirname });
await pages.prepare();
const handle = pages.getRequestHandler();
const app = express()
  .use('/git', snapshots)
  .use((req, res) => handle(req, res));
const server = createServer(app).listen(0, '127.0.0.1', () => listening(server, snapshots));
