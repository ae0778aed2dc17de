import { readdir } from 'node:fs/promises';
import { FileSystemStore, MemoryStore } from '../../../lib/index.js';
import {
  assertContent,
  assertMiss,
  contentOf,
  listedKeys,
  mustOpen,
  put,
  rest,
} from '../../../lib/testing/store-content.js';
import { stopClock } from '../../support/stopped-clock.js';
import { cleanup } from '../../support/temporary-directory.js';
import { WatchedWrites } from '../watched-writes.js';
import { FaultyTier } from './faulty-tier.js';
import { HOUR, holdAt, MIB, tiers } from './tiers.js';

const OLD = contentOf('old', 4 * MIB);
const NEW = contentOf('new', 3 * MIB);

const { directory, defer } = cleanup(afterEach);

describe('An object that another machine has stored', () => {
  test('is read from the far tier once, and then from the near tier', async () => {
    const { far, store, failures } = tiers();
    const stored = await put(far.inner, 'key', OLD, { name: 'value' });
    for (let round = 0; round < 3; round += 1) {
      expect(await mustOpen(store, 'key')).toMatchObject(stored);
      await assertContent(store, 'key', OLD);
      await assertContent(store, 'key', OLD.subarray(5, 11), { range: { start: 5, end: 10 } });
    }
    expect(far.asked.open).toBe(1);
    expect(failures).toEqual([]);
  });

  test('is read from the far tier once for all concurrent readers', async () => {
    const { far, store } = tiers();
    const { revision } = await put(far.inner, 'key', OLD);
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const [start, end] = [index * 100_000, OLD.length - 1 - index];
        await assertContent(store, 'key', OLD.subarray(start, end + 1), {
          range: { start, end },
          revision,
        });
      }),
    );
    expect(far.asked.open).toBe(1);
  });

  test('is sent while it arrives, and later readers read the rest from the near tier', async () => {
    const { near, far, store } = tiers();
    await put(far.inner, 'key', OLD);
    const { reached, release } = holdAt(far, 2 * MIB);
    const first = await mustOpen(store, 'key');
    const chunks = first.body[Symbol.asyncIterator]();
    const head = [(await chunks.next()).value];
    await reached;
    const late = await mustOpen(store, 'key');
    const range = { start: 3 * MIB, end: 3 * MIB + 9 };
    const ahead = await mustOpen(store, 'key', { range });
    await assertMiss(near, 'key');
    release();
    head.push(await rest(chunks));
    expect(Buffer.concat(head).equals(OLD)).toBe(true);
    expect((await rest(late.body)).equals(OLD)).toBe(true);
    expect((await rest(ahead.body)).equals(OLD.subarray(range.start, range.end + 1))).toBe(true);
    expect(far.asked.open).toBe(1);
  });

  test('is copied at full speed when a reader is slow', async () => {
    const { far, store } = tiers();
    await put(far.inner, 'key', OLD);
    const slow = await mustOpen(store, 'key');
    await assertContent(store, 'key', OLD);
    expect((await rest(slow.body)).equals(OLD)).toBe(true);
    expect(far.asked.open).toBe(1);
  });

  test('is copied to its end when its readers have left', async () => {
    const { near, far, store } = tiers();
    await put(far.inner, 'key', OLD);
    const { reached, release } = holdAt(far, 2 * MIB);
    const controller = new AbortController();
    const { body } = await mustOpen(store, 'key', { signal: controller.signal });
    const left = rest(body);
    await reached;
    controller.abort();
    await expect(left).rejects.toThrow();
    await assertMiss(near, 'key');
    release();
    await assertContent(store, 'key', OLD);
    expect(far.asked.open).toBe(1);
    expect(await listedKeys(near)).toEqual(['key']);
  });

  test('is read from the far tier again for slow readers when the near tier has no room', async () => {
    const { far, store } = tiers({}, new MemoryStore({ maxBytes: MIB }));
    await put(far.inner, 'key', OLD);
    const { reached, release } = holdAt(far, 3 * MIB);
    const slow = await mustOpen(store, 'key');
    await reached;
    release();
    expect((await rest(slow.body)).equals(OLD)).toBe(true);
    expect(far.asked.open).toBe(2);
  });

  test('is sent even if it cannot be copied', async () => {
    const near = new FaultyTier();
    const { far, store, failures } = tiers({}, near);
    await put(far.inner, 'key', OLD);
    far.onRead = async (offset) => {
      if (offset > 0) near.state = 'failing';
    };
    const { body } = await mustOpen(store, 'key');
    expect((await rest(body)).equals(OLD)).toBe(true);
    expect(failures).toMatchObject([{ tier: 'near', key: 'key' }]);
    expect(await listedKeys(near.inner)).toEqual([]);
  });
});

describe('A far tier', () => {
  test.each<[string, (timePasses: () => void) => Promise<unknown>]>([
    ['breaks', async () => Promise.reject(new Error('the connection broke'))],
    [
      'stalls',
      (timePasses) => {
        timePasses();
        return new Promise(() => {});
      },
    ],
  ])('that %s fails all readers and leaves nothing near', async (_, trouble) => {
    const path = await directory();
    const clock = stopClock(defer);
    const files = new WatchedWrites({ directory: path });
    const { near, far, store, failures } = tiers({ stallTimeout: HOUR }, files);
    await put(far.inner, 'key', OLD);
    // The bytes that have arrived are written first: a slow near tier is another failure.
    const timePasses = () => files.afterWrites(2, () => clock.tick(HOUR));
    far.onRead = async (offset) => offset === 2 * MIB && (await trouble(timePasses));
    const bodies = await Promise.all([mustOpen(store, 'key'), mustOpen(store, 'key')]);
    for (const outcome of await Promise.allSettled(bodies.map(({ body }) => rest(body)))) {
      expect(outcome).toMatchObject({ reason: { code: 'STORE_FAILED' } });
    }
    expect(failures[0]).toMatchObject({ tier: 'far', key: 'key', error: { code: 'STORE_FAILED' } });
    await assertMiss(near, 'key');
    expect(await readdir(path)).toEqual([]);
    far.onRead = async () => {};
    await assertContent(store, 'key', OLD);
  });

  test('that breaks fails slow readers as well, which read from it a second time', async () => {
    const { far, store } = tiers({ stallTimeout: 50 }, new MemoryStore({ maxBytes: MIB }));
    await put(far.inner, 'key', OLD);
    const { reached, release } = holdAt(far, 3 * MIB);
    const bodies = [await mustOpen(store, 'key'), await mustOpen(store, 'key')];
    await reached;
    let reads = 0;
    far.onRead = async (offset) => {
      if (offset < 3 * MIB) return;
      reads += 1;
      await (reads === 1 ? Promise.reject(new Error('it broke')) : new Promise(() => {}));
    };
    release();
    for (const outcome of await Promise.allSettled(bodies.map(({ body }) => rest(body)))) {
      expect(outcome).toMatchObject({ reason: { code: 'STORE_FAILED' } });
    }
    expect(far.asked.open).toBe(3);
  });

  test('that gives too few bytes fails the reader', async () => {
    const { near, far, store } = tiers();
    await put(far.inner, 'key', OLD);
    const { stat } = far;
    far.stat = async (key) => {
      const object = await stat.call(far, key);
      return object && { ...object, size: object.size + 1 };
    };
    const { body } = await mustOpen(store, 'key');
    await expect(rest(body)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await assertMiss(near, 'key');
  });

  test('is not used any more when the store is closed', async () => {
    const path = await directory();
    const { far, store, failures } = tiers({}, new FileSystemStore({ directory: path }));
    await put(far.inner, 'key', OLD);
    const { reached } = holdAt(far, 2 * MIB);
    const { body } = await mustOpen(store, 'key');
    const read = rest(body);
    read.catch(() => {});
    await reached;
    await store.close();
    await expect(read).rejects.toMatchObject({ code: 'CLOSED' });
    expect(await readdir(path)).toEqual([]);
    expect(failures).toEqual([]);
  });
});

describe('An object that another machine has replaced', () => {
  test('is noticed by stat at once, and its copy is removed', async () => {
    const { near, far, store } = tiers();
    await put(far.inner, 'key', OLD);
    await assertContent(store, 'key', OLD);
    const replaced = await put(far.inner, 'key', NEW, { of: 'new' });
    await assertContent(store, 'key', OLD); // within checkInterval
    expect(await store.stat('key')).toMatchObject(replaced);
    await assertMiss(near, 'key');
    await assertContent(store, 'key', NEW);
    await assertContent(store, 'key', NEW);
    expect(far.asked.open).toBe(2);
  });

  test('is noticed by open with a checkInterval of 0, and when the new revision is asked for', async () => {
    const { far, store } = tiers({ checkInterval: 0 });
    await put(far.inner, 'key', OLD);
    await assertContent(store, 'key', OLD);
    await put(far.inner, 'key', NEW);
    await assertContent(store, 'key', NEW);

    const other = tiers();
    await put(other.far.inner, 'key', OLD);
    await assertContent(other.store, 'key', OLD);
    const { revision } = await put(other.far.inner, 'key', NEW);
    await assertContent(other.store, 'key', NEW, { revision });
  });

  test('is noticed also between two requests to the far tier', async () => {
    const { far, store } = tiers();
    await put(far.inner, 'key', OLD);
    let isReplaced = false;
    far.onOpen = async () => {
      if (!isReplaced) await put(far.inner, 'key', NEW);
      isReplaced = true;
    };
    await assertContent(store, 'key', NEW);
  });

  test('is read while the old one is still being copied', async () => {
    const { far, store } = tiers({ checkInterval: 0 });
    await put(far.inner, 'key', OLD);
    const { reached, release } = holdAt(far, 3 * MIB);
    const { body } = await mustOpen(store, 'key');
    await reached;
    await put(far.inner, 'key', NEW);
    await assertContent(store, 'key', NEW);
    release();
    expect((await rest(body)).equals(OLD)).toBe(true);
    await assertContent(store, 'key', NEW);
  });

  test('is a miss if it was deleted instead', async () => {
    const { near, far, store } = tiers({ checkInterval: 0 });
    await put(far.inner, 'key', OLD);
    await assertContent(store, 'key', OLD);
    await far.inner.delete('key');
    expect(await store.open('key')).toBeUndefined();
    await assertMiss(near, 'key');
  });
});
