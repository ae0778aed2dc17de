import { monitorEventLoopDelay } from 'node:perf_hooks';
import express from 'express';
import { defaultSnapshot } from '../../../lib/artifact/id.js';
import { HOST, type HostAppOptions, startHostApp } from '../../support/host-app.js';
import { nextEvent } from '../../support/service-events.js';
import { programArgument, serveOrders } from './serve-orders.js';
import { processUsage } from './usage.js';

/*
 * The host app under test, with a trivial route `/trivial` beside the snapshots.
 */

/** Node's default. An idle loop shows about this much, as the time between two looks is measured. */
const RESOLUTION_MILLISECONDS = 10;

const routes = express().get('/trivial', (_req, res) => {
  res.send('ok');
});
const { metrics, ...options } = programArgument<HostAppOptions & { metrics: boolean }>();
// Imported late: an app without metrics does not load OpenTelemetry.
const start = metrics ? (await import('./measured-app.js')).startMeasuredApp : startHostApp;
const app = await start({ ...options, app: routes });
await app.router.service.ready();
const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MILLISECONDS });

const orders = {
  url: () => app.url,
  usage: processUsage,
  /** Removes the stored snapshot of a repository of `HOST`. */
  deleteSnapshot: (path: string) =>
    app.router.service.delete(defaultSnapshot({ host: HOST, path })),
  /** Asks the upstream of a repository of `HOST`; `whole`: until a new snapshot is stored. */
  async refresh(path: string) {
    const { service } = app.router;
    const { cpuSeconds } = processUsage();
    const started = performance.now();
    const taken = () => {
      const seconds = (performance.now() - started) / 1000;
      return { seconds, cpuSeconds: processUsage().cpuSeconds - cpuSeconds };
    };
    const mirror = nextEvent(service, 'fetch done').then(taken);
    await service.refresh({ host: HOST, path });
    return { mirror: await mirror, whole: await taken() };
  },
  /** Makes the mirror of a repository of `HOST` of which there is none. */
  async mirror(path: string) {
    const { service } = app.router;
    const { cpuSeconds } = processUsage();
    const started = performance.now();
    const cloned = nextEvent(service, 'clone done');
    await service.ensureRefs({ host: HOST, path }, { refs: new Map([['HEAD', '']]), commits: [] });
    const seconds = (performance.now() - started) / 1000;
    const { packBytes } = await cloned;
    return {
      seconds,
      cpuSeconds: processUsage().cpuSeconds - cpuSeconds,
      upstreamMegabytes: packBytes / 1e6,
    };
  },
  watchLoop() {
    delays.reset();
    delays.enable();
  },
  /** In milliseconds, since `watchLoop`. */
  loopDelays() {
    delays.disable();
    return {
      p50: delays.percentile(50) / 1e6,
      p99: delays.percentile(99) / 1e6,
      max: delays.max / 1e6,
    };
  },
};
export type AppOrders = typeof orders;
serveOrders(orders, () => app.close());
