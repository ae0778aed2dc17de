import express from 'express';
import next from 'next';
import { listening, port, snapshots } from './snapshots.js';

// A custom server, beside the `pages` or `app` of the project; after `next build`.
const pages = next({ dev: false, dir: import.meta.dirname });
await pages.prepare();
const handle = pages.getRequestHandler();
const app = express()
  .use('/git', snapshots)
  .use((req, res) => handle(req, res));
const server = app.listen(port, () => listening(server));
