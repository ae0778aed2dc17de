import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import {
  FileSystemStore,
  type SnapshotEvents,
  type SnapshotStore,
  TieredStore,
} from '../../lib/index.js';
import { RedisLocks } from '../../lib/locks/redis.js';
import { S3Store } from '../../lib/stores/s3/index.js';
import type { AppOrder, AppProgramOptions, FleetOptions } from './app-process.js';
import { startHostApp } from './host-app.js';

/*
 * A host app in a process of its own: see `app-process.ts`.
 */

const EVENTS: readonly (keyof SnapshotEvents)[] = [
  'miss',
  'cloneStarted',
  'cloneFinished',
  'cloneFailed',
  'generationStarted',
  'generationFinished',
  'generationFailed',
  'storeFailed',
];

const { log, copying, fleet, ...options }: AppProgramOptions = JSON.parse(process.argv[2] ?? '');
let kill: Extract<AppOrder, { kind: 'kill' }> | undefined;

/** Written at once, as what a killed process had still to send is lost. */
function note(event: string): void {
  appendFileSync(log, `${event} ${performance.now()}\n`);
  if (kill?.at !== event) return;
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), kill.delay);
}

function tellingStore(): SnapshotStore {
  const store = new FileSystemStore({ directory: join(options.dataDir, 'snapshots') });
  return {
    abilities: { ...store.abilities, adoptsFiles: !copying },
    stat: (...args) => store.stat(...args),
    open: (...args) => store.open(...args),
    delete: (...args) => store.delete(...args),
    list: () => store.list(),
    async adopt(...args) {
      const stored = await store.adopt(...args);
      note('stored');
      return stored;
    },
    async create(...args) {
      const writer = await store.create(...args);
      return {
        write: (chunk) => writer.write(chunk),
        abort: () => writer.abort(),
        async commit() {
          const stored = await writer.commit();
          note('stored');
          return stored;
        },
      };
    },
  };
}

function shared({ redisUrl, leaseTime, bucket, s3 }: FleetOptions) {
  const near = new FileSystemStore({ directory: join(options.dataDir, 'snapshots') });
  const far = new S3Store({ bucket, config: s3 });
  return {
    store: new TieredStore({ near, far }),
    locks: new RedisLocks({ url: redisUrl, leaseTime }),
  };
}

const parts = fleet === undefined ? { store: tellingStore() } : shared(fleet);
const app = await startHostApp({ ...options, ...parts });
for (const name of EVENTS) app.router.service.events.on(name, () => note(name));
await app.router.service.started;

const delays = monitorEventLoopDelay({ resolution: 5 });
process.on('message', (order: AppOrder) => {
  switch (order.kind) {
    case 'kill':
      kill = order;
      break;
    case 'watch-loop':
      delays.enable();
      break;
    case 'tell-delay':
      process.send?.({ milliseconds: delays.max / 1e6 });
      break;
  }
});
// Nobody is there who could end it.
process.once('disconnect', () => process.exit());
process.send?.({ url: app.url });
