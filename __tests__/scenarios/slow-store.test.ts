import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { OpenedObject } from '../../lib/index.js';
import { read } from '../support/fresh-repository.js';
import { stopClock } from '../support/stopped-clock.js';
import { cleanup } from '../support/temporary-directory.js';
import { replicaScene } from './replica-scene.js';

const { directory, defer } = cleanup(afterEach);
const STALL_TIMEOUT = 60_000;

/** Sends bytes in as many pieces; whoever reads has taken the one before when a piece is asked for. */
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
  const { repository, store, replica, variant } = await replicaScene({ directory, defer });
  await read((await replica()).service, repository.id);
  const { service, cloned, failed } = await replica({ stallTimeout: STALL_TIMEOUT });
  await service.started;
  const clock = stopClock(defer);
  const open = store.open.bind(store);
  store.open = async (key, options): Promise<OpenedObject | undefined> => {
    const opened = await open(key, options);
    if (opened === undefined || !key.startsWith('snapshot/')) return opened;
    const bytes = await buffer(opened.body);
    // Just not too late, each time.
    return { ...opened, body: inPieces(bytes, 5, () => clock.tick(STALL_TIMEOUT - 1)) };
  };
  expect((await variant(service)).commit).toBe(await repository.head());
  expect(failed).toEqual([]);
  expect(cloned).toMatchObject([{ restoredBytes: expect.any(Number) }]);
  expect(cloned[0]?.restoredBytes).toBeGreaterThan(0);
});
