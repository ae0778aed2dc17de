import cluster from 'node:cluster';
import { startHostApp } from '../support/host-app.js';
import { listen } from '../support/service-events.js';

/*
 * A host app with a cluster of four workers. It sends its URL when all of them listen, and then the
 * name of each event, with the worker. Its arguments: `dataDir`, and the URL of the upstream.
 */

const WORKERS = 4;
const [dataDir = '', upstreamUrl = ''] = process.argv.slice(2);

if (cluster.isPrimary) {
  let ready = 0;
  for (let started = 0; started < WORKERS; started += 1) {
    const worker = cluster.fork();
    worker.on('message', (message: { event?: string; url?: string }) => {
      if (message.url === undefined) process.send?.({ ...message, worker: worker.id });
      else if (++ready === WORKERS) process.send?.(message);
    });
  }
  // Its parent is gone. The workers end with it.
  process.once('disconnect', () => process.exit());
} else {
  const { router, url } = await startHostApp({ dataDir, upstreamUrl });
  for (const event of ['miss', 'clone done', 'build done'] as const) {
    listen(router.service, event, () => process.send?.({ event }));
  }
  await router.service.ready();
  process.send?.({ url });
}
