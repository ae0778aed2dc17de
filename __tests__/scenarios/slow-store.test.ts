import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { MemoryStore } from '../../lib/index.js';
import type { OpenedObject } from '../../lib/stores/index.js';
import { counter, freshRepository, next, read } from '../support/fresh-repository.js';
import { stopClock } from '../support/stopped-clock.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const STALL_TIMEOUT = 60_000;

/** Sends bytes in `pieces` pieces, each when the reader has taken the one before. */
function inPieces(bytes: Buffer, pieces: number, beforeEach: () => void): Readable {
  const length = Math.ceil(bytes.length / pieces);
  let offset = 0;
  return new Readable({
    highWaterMark: 1,
    read() {
      setImmediate(() => {
        beforeEach();
        this.push(offset < bytes.length ? bytes.subarray(offset, offset + length) : null);
        offset += length;
      });
    },
  });
}

test('A stored snapshot that arrives slowly, but steadily, is used for a mirror', async () => {
  const repository = await freshRepository({ directory, defer });
  const store = new MemoryStore({ maxBytes: 1e9 });
  await read(repository.start({ store }), repository.snapshot);
  const limits = { stallTimeout: STALL_TIMEOUT };
  const service = repository.start({ store, limits, dataDir: await directory() });
  const cloned = next(service, 'clone done');
  const failures = counter(service, 'mirrorSeedFailed');
  await service.ready();
  const clock = stopClock(defer);
  const open = store.open.bind(store);
  store.open = async (key, options): Promise<OpenedObject | undefined> => {
    const opened = await open(key, options);
    if (opened === undefined || !key.endsWith('/snapshot')) return opened;
    const bytes = await buffer(opened.body);
    // Each piece comes just in time.
    return { ...opened, body: inPieces(bytes, 5, () => clock.tick(STALL_TIMEOUT - 1)) };
  };
  const { commit } = await read(service, { ...repository.snapshot, depth: 1 });
  expect(commit).toBe(await repository.head());
  expect(failures()).toBe(0);
  const { seededBytes } = await cloned;
  expect(seededBytes).toBeGreaterThan(0);
});
