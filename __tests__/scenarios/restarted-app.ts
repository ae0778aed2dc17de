import { appendFileSync } from 'node:fs';
import express from 'express';
import { type HostAppOptions, startHostApp } from '../support/host-app.js';
import { type EventName, listen } from '../support/service-events.js';

/*
 * A host app that ends at SIGTERM as the page on operating says. Its argument: its options, and a file
 * that gets a line for each event.
 */

const NOTED: readonly EventName[] = ['clone done', 'build done', 'build failed', 'store failed'];

const { log, ...options }: HostAppOptions & { log: string } = JSON.parse(process.argv[2] ?? '');
const app = express().use((_req, res, next) => {
  if (!server.listening) res.set('Connection', 'close');
  next();
});
const { server, router } = await startHostApp({ ...options, app });
for (const name of NOTED) {
  listen(router.service, name, (about) => {
    const error = 'error' in about ? `: ${about.error}` : '';
    appendFileSync(log, `${name}${error}\n`);
  });
}

process.once('SIGTERM', () => {
  server.close(async () => {
    await router.close({ drain: true });
    process.disconnect();
  });
});
await router.service.ready();
process.send?.('ready');
