import express from 'express';
import Koa from 'koa';
import { listening, port, snapshots } from './snapshots.js';

const git = express().use('/git', snapshots);
const app = new Koa();
app.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/git/')) return next();
  ctx.respond = false; // the router answers
  git(ctx.req, ctx.res);
});
app.use((ctx) => {
  ctx.body = 'home\n';
});
const server = app.listen(port, () => listening(server));
