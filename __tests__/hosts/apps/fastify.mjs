import { createSnapshotRouter } from 'express-git-snapshot';
import Fastify from 'fastify';
import { endsOnSignal, options } from './host.mjs';

const snapshots = createSnapshotRouter(options);
const app = Fastify();
const { default: plugin } = await import(process.env.PLUGIN);
await app.register(plugin);
app.use('/git', snapshots);
await app.listen({ port: 0, host: '127.0.0.1' });
console.log(`listening ${app.server.address().port}`);
endsOnSignal(async () => {
  await app.close();
  await snapshots.close({ drain: true });
});
