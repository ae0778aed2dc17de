import Fastify from 'fastify';
import { listening, port, snapshots } from './snapshots.js';

// Either plugin takes routers of Express: @fastify/express, or @fastify/middie.
const { default: plugin } = await import(process.env.PLUGIN ?? '@fastify/express');

const app = Fastify();
await app.register(plugin);
app.use('/git', snapshots);
app.get('/', async () => 'home\n');
await app.listen({ port });
listening(app.server, () => app.close());
