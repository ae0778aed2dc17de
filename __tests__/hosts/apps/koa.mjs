import { createSnapshotRouter } from 'express-git-snapshot';
import Koa from 'koa';
import { express, listening, options } from './host.mjs';

const snapshots = createSnapshotRouter(options);
const git = express().use('/git', snapshots);
const app = new Koa();
app.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/git/')) return next();
  ctx.respond = false; // the router answers
  git(ctx.req, ctx.res);
});
const server = app.listen(0, '127.0.0.1', () => listening(server, snapshots));
