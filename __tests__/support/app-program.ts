import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileSystemStore, TieredStore } from '../../lib/index.js';
import type { SnapshotStore } from '../../lib/stores/index.js';
import type { AppOrder, AppProgramOptions, FleetOptions, KillOrder } from './app-process.js';
import { startHostApp } from './host-app.js';
import { type EventName, listen } from './service-events.js';

/*
 * A host app in a process of its own: see `app-process.ts`.
 */

const EVENTS: readonly EventName[] = [
  'miss',
  'clone started',
  'jobProgress',
  'clone done',
  'clone failed',
  'build started',
  'build done',
  'build failed',
  'store failed',
];

/** The longest delay of a timer. */
const MAX_RESPONSE_TIMEOUT = 9000;

const { log, copying, fleet, ...options }: AppProgramOptions = JSON.parse(process.argv[2] ?? '');
let kill: (KillOrder & { left: number }) | undefined;

/** Written synchronously, because a killed process loses what it has not sent. */
function note(event: string): void {
  appendFileSync(log, `${event}\n`);
  if (kill?.at === event && --kill.left === 0) killAfter(kill.turns ?? 0);
}

/** @param turns of the event loop. */
function killAfter(turns: number): void {
  if (turns === 0) process.kill(process.pid, 'SIGKILL');
  else setImmediate(killAfter, turns - 1);
}

function tellingStore(): SnapshotStore {
  const store = new FileSystemStore({ directory: join(options.dataDir, 'snapshots') });
  return {
    stat: (...args) => store.stat(...args),
    open: (...args) => store.open(...args),
    delete: (...args) => store.delete(...args),
    list: (...args) => store.list(...args),
    listReplaced: (...args) => store.listReplaced(...args),
    async put(key, body, putOptions) {
      note('storing');
      const stored = await store.put(key, told(body), putOptions);
      note('stored');
      return stored;
    },
    ...(!copying && {
      async putFile(...args) {
        note('storing');
        const stored = await store.putFile(...args);
        note('stored');
        return stored;
      },
    }),
  };
}

async function* told(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    yield chunk;
    note('written');
  }
}

/** Imports modules that only some apps need. */
async function shared({ redisUrl, leaseTime, bucket, s3 }: FleetOptions) {
  const { RedisLocks } = await import('../../lib/locks/redis.js');
  const { S3Store } = await import('../../lib/stores/s3/index.js');
  const local = new FileSystemStore({ directory: join(options.dataDir, 'snapshots') });
  const shared = new S3Store({ bucket, config: s3 });
  return {
    store: new TieredStore({ local, shared }),
    // On a busy machine, processes that start may be slow to read an answer.
    locks: new RedisLocks({ url: redisUrl, leaseTime, responseTimeout: MAX_RESPONSE_TIMEOUT }),
  };
}

const parts = fleet === undefined ? { store: tellingStore() } : await shared(fleet);
const app = await startHostApp({ ...options, ...parts });
for (const name of EVENTS) listen(app.router.service, name, () => note(name));
await app.router.service.ready();

/**
 * Milliseconds for which this thread has had a processor. Unlike time, they do not pass while others have it.
 * Linux only.
 */
function worked(): number {
  return Number.parseInt(readFileSync('/proc/self/schedstat', 'latin1'), 10) / 1e6;
}

/** The longest turn of the event loop since `watch-work`. */
let longest = 0;
let watch: NodeJS.Timeout | undefined;

function watchWork(): void {
  let before = worked();
  watch = setInterval(() => {
    const now = worked();
    longest = Math.max(longest, now - before);
    before = now;
  }, 5);
}

/** The time for reading a list of `refs` refs once. */
function yardstick(refs: number): number {
  const list = Array.from({ length: refs }, (_, i) => `${'1'.repeat(40)} refs/heads/branch-${i}`);
  const text = list.join('\n');
  const before = worked();
  const read = new Map(text.split('\n').map((line) => [line.slice(41), line.slice(0, 40)]));
  if (read.size !== refs) throw new Error('this is no yardstick');
  return worked() - before;
}

process.on('message', (order: AppOrder) => {
  switch (order.kind) {
    case 'kill':
      kill = { ...order, left: order.nth ?? 1 };
      break;
    case 'watch-work':
      watchWork();
      break;
    case 'tell-work':
      clearInterval(watch);
      process.send?.({ longest, yardstick: yardstick(order.refs) });
      break;
  }
});
// Its parent is gone.
process.once('disconnect', () => process.exit());
process.send?.({ url: app.url });
