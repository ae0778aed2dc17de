import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { createSnapshotRouter } from 'express-git-snapshot';
import { endsOnSignal, options } from './host.mjs';

class AppModule {}
Module({})(AppModule);

const snapshots = createSnapshotRouter(options);
const app = await (process.env.ADAPTER === 'fastify'
  ? withFastify()
  : NestFactory.create(AppModule));
app.use('/git', snapshots);
await app.listen(0, '127.0.0.1');
console.log(`listening ${app.getHttpServer().address().port}`);
endsOnSignal(async () => {
  await app.close();
  await snapshots.close({ drain: true });
  // Nest leaves a channel open in some versions.
});

async function withFastify() {
  const { FastifyAdapter } = await import('@nestjs/platform-fastify');
  return await NestFactory.create(AppModule, new FastifyAdapter());
}
