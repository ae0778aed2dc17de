import 'reflect-metadata';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { listening, port, snapshots } from './snapshots.js';

// Decorators without TypeScript are functions.
class HomeController {
  home() {
    return 'home\n';
  }
}
Get()(
  HomeController.prototype,
  'home',
  Object.getOwnPropertyDescriptor(HomeController.prototype, 'home'),
);
Controller()(HomeController);
class AppModule {}
Module({ controllers: [HomeController] })(AppModule);

/** Nest runs on Express, or on Fastify: both take the router. */
async function createApp() {
  if (process.env.ADAPTER !== 'fastify') return await NestFactory.create(AppModule);
  const { FastifyAdapter } = await import('@nestjs/platform-fastify');
  return await NestFactory.create(AppModule, new FastifyAdapter());
}

const app = await createApp();
app.use('/git', snapshots);
await app.listen(port);
listening(app.getHttpServer(), () => app.close());
