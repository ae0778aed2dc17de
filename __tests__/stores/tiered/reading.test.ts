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
  test('is read from the shared tier once, and then from the local tier', async () => {
    const { shared, store, failures } = tiers();
    const stored = await put(shared.inner, 'key', OLD, { name: 'value' });
    for (let round = 0; round < 3; round += 1) {
      expect(await mustOpen(store, 'key')).toMatchObject(stored);
      await assertContent(store, 'key', OLD);
      await assertContent(store, 'key', OLD.subarray(5, 11), { range: { start: 5, end: 10 } });
    }
    expect(shared.asked.open).toBe(1);
    expect(failures).toEqual([]);
  });

  test('is read from the shared tier once for all concurrent readers', async () => {
    const { shared, store } = tiers();
    const { revision } = await put(shared.inner, 'key', OLD);
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const [start, end] = [index * 100_000, OLD.length - 1 - index];
        await assertContent(store, 'key', OLD.subarray(start, end + 1), {
          range: { start, end },
          revision,
        });
      }),
    );
    expect(shared.asked.open).toBe(1);
  });

  test('is sent while it arrives, and later readers read the rest from the local tier', async () => {
    const { local, shared, store } = tiers();
    await put(shared.inner, 'key', OLD);
    const { reached, release } = holdAt(shared, 2 * MIB);
    const first = await mustOpen(store, 'key');
    const chunks = first.body[Symbol.asyncIterator]();
    const head = [(await chunks.next()).value];
    await reached;
    const late = await mustOpen(store, 'key');
    const range = { start: 3 * MIB, end: 3 * MIB + 9 };
    const ahead = await mustOpen(store, 'key', { range });
    await assertMiss(local, 'key');
    release();
    head.push(await rest(chunks));
    expect(Buffer.concat(head).equals(OLD)).toBe(true);
    expect((await rest(late.body)).equals(OLD)).toBe(true);
    expect((await rest(ahead.body)).equals(OLD.subarray(range.start, range.end + 1))).toBe(true);
    expect(shared.asked.open).toBe(1);
  });

  test('is copied at full speed when a reader is slow', async () => {
    const { shared, store } = tiers();
    await put(shared.inner, 'key', OLD);
    const slow = await mustOpen(store, 'key');
    await assertContent(store, 'key', OLD);
    expect((await rest(slow.body)).equals(OLD)).toBe(true);
    expect(shared.asked.open).toBe(1);
  });

  test('is copied to its end when its readers have left', async () => {
    const { local, shared, store } = tiers();
    await put(shared.inner, 'key', OLD);
    const { reached, release } = holdAt(shared, 2 * MIB);
    const controller = new AbortController();
    const { body } = await mustOpen(store, 'key', { signal: controller.signal });
    const left = rest(body);
    await reached;
    controller.abort();
    await expect(left).rejects.toThrow();
    await assertMiss(local, 'key');
    release();
    await assertContent(store, 'key', OLD);
    expect(shared.asked.open).toBe(1);
    expect(await listedKeys(local)).toEqual(['key']);
  });

  test('is read from the shared tier again for slow readers when the local tier has no room', async () => {
    const { shared, store } = tiers({}, new MemoryStore({ maxBytes: MIB }));
    await put(shared.inner, 'key', OLD);
    const { reached, release } = holdAt(shared, 3 * MIB);
    const slow = await mustOpen(store, 'key');
    await reached;
    release();
    expect((await rest(slow.body)).equals(OLD)).toBe(true);
    expect(shared.asked.open).toBe(2);
  });

  test('is sent even if it cannot be copied', async () => {
    const local = new FaultyTier();
    const { shared, store, failures } = tiers({}, local);
    await put(shared.inner, 'key', OLD);
    shared.onRead = async (offset) => {
      if (offset > 0) local.state = 'failing';
    };
    const { body } = await mustOpen(store, 'key');
    expect((await rest(body)).equals(OLD)).toBe(true);
    expect(failures).toMatchObject([{ tier: 'local', key: 'key' }]);
    expect(await listedKeys(local.inner)).toEqual([]);
  });
});

describe('A shared tier', () => {
  test.each<[string, (timePasses: () => void) => Promise<unknown>]>([
    ['breaks', async () => Promise.reject(new Error('the connection broke'))],
    [
      'stalls',
      (timePasses) => {
        timePasses();
        return new Promise(() => {});
      },
    ],
  ])('that %s fails all readers and leaves nothing local', async (_, trouble) => {
    const path = await directory();
    const clock = stopClock(defer);
    const files = new WatchedWrites({ directory: path });
    const { local, shared, store, failures } = tiers({ idleTimeout: HOUR }, files);
    await put(shared.inner, 'key', OLD);
    // The bytes that have arrived are written first: a slow local tier is another failure.
    const timePasses = () => files.afterWrites(2, () => clock.tick(HOUR));
    shared.onRead = async (offset) => offset === 2 * MIB && (await trouble(timePasses));
    const bodies = await Promise.all([mustOpen(store, 'key'), mustOpen(store, 'key')]);
    for (const outcome of await Promise.allSettled(bodies.map(({ body }) => rest(body)))) {
      expect(outcome).toMatchObject({ reason: { code: 'STORE_FAILED' } });
    }
    expect(failures[0]).toMatchObject({
      tier: 'shared',
      key: 'key',
      error: { code: 'STORE_FAILED' },
    });
    await assertMiss(local, 'key');
    expect(await readdir(path)).toEqual([]);
    shared.onRead = async () => {};
    await assertContent(store, 'key', OLD);
  });

  test('that breaks fails slow readers as well, which read from it a second time', async () => {
    const { shared, store } = tiers({ idleTimeout: 50 }, new MemoryStore({ maxBytes: MIB }));
    await put(shared.inner, 'key', OLD);
    const { reached, release } = holdAt(shared, 3 * MIB);
    const bodies = [await mustOpen(store, 'key'), await mustOpen(store, 'key')];
    await reached;
    let reads = 0;
    shared.onRead = async (offset) => {
      if (offset < 3 * MIB) return;
      reads += 1;
      await (reads === 1 ? Promise.reject(new Error('it broke')) : new Promise(() => {}));
    };
    release();
    for (const outcome of await Promise.allSettled(bodies.map(({ body }) => rest(body)))) {
      expect(outcome).toMatchObject({ reason: { code: 'STORE_FAILED' } });
    }
    expect(shared.asked.open).toBe(3);
  });

  test('that gives too few bytes fails the reader', async () => {
    const { local, shared, store } = tiers();
    await put(shared.inner, 'key', OLD);
    const { stat } = shared;
    shared.stat = async (key) => {
      const object = await stat.call(shared, key);
      return object && { ...object, size: object.size + 1 };
    };
    const { body } = await mustOpen(store, 'key');
    await expect(rest(body)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await assertMiss(local, 'key');
  });

  test('is not used any more when the store is closed', async () => {
    const path = await directory();
    const { shared, store, failures } = tiers({}, new FileSystemStore({ directory: path }));
    await put(shared.inner, 'key', OLD);
    const { reached } = holdAt(shared, 2 * MIB);
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
    const { local, shared, store } = tiers();
    await put(shared.inner, 'key', OLD);
    await assertContent(store, 'key', OLD);
    const replaced = await put(shared.inner, 'key', NEW, { of: 'new' });
    await assertContent(store, 'key', OLD); // within localMaxAge
    expect(await store.stat('key')).toMatchObject(replaced);
    await assertMiss(local, 'key');
    await assertContent(store, 'key', NEW);
    await assertContent(store, 'key', NEW);
    expect(shared.asked.open).toBe(2);
  });

  test('is noticed by open with a localMaxAge of 0, and when the new revision is asked for', async () => {
    const { shared, store } = tiers({ localMaxAge: 0 });
    await put(shared.inner, 'key', OLD);
    await assertContent(store, 'key', OLD);
    await put(shared.inner, 'key', NEW);
    await assertContent(store, 'key', NEW);

    const other = tiers();
    await put(other.shared.inner, 'key', OLD);
    await assertContent(other.store, 'key', OLD);
    const { revision } = await put(other.shared.inner, 'key', NEW);
    await assertContent(other.store, 'key', NEW, { revision });
  });

  test('is noticed also between two requests to the shared tier', async () => {
    const { shared, store } = tiers();
    await put(shared.inner, 'key', OLD);
    let isReplaced = false;
    shared.onOpen = async () => {
      if (!isReplaced) await put(shared.inner, 'key', NEW);
      isReplaced = true;
    };
    await assertContent(store, 'key', NEW);
  });

  test('is read while the old one is still being copied', async () => {
    const { shared, store } = tiers({ localMaxAge: 0 });
    await put(shared.inner, 'key', OLD);
    const { reached, release } = holdAt(shared, 3 * MIB);
    const { body } = await mustOpen(store, 'key');
    await reached;
    await put(shared.inner, 'key', NEW);
    await assertContent(store, 'key', NEW);
    release();
    expect((await rest(body)).equals(OLD)).toBe(true);
    await assertContent(store, 'key', NEW);
  });

  test('is a miss if it was deleted instead', async () => {
    const { local, shared, store } = tiers({ localMaxAge: 0 });
    await put(shared.inner, 'key', OLD);
    await assertContent(store, 'key', OLD);
    await shared.inner.delete('key');
    expect(await store.open('key')).toBeUndefined();
    await assertMiss(local, 'key');
  });
});
