import { SnapshotError, type SnapshotErrorCode } from '../../../lib/stores/index.js';
import type { SnapshotStore } from '../../../lib/stores/store.js';
import { contentOf, listedKeys, put } from '../../../lib/testing/store-content.js';

const MIB = 1024 * 1024;

/**
 * Checks that each operation fails, and says what was asked for and when to ask again: in 7 s.
 *
 * @param place of the objects, as messages name it.
 * @param status of all answers of the server.
 */
export async function expectNamedFailures(
  store: SnapshotStore,
  place: string,
  status: number,
  code: SnapshotErrorCode,
): Promise<void> {
  for (const [operation, failing] of [
    ['stat', () => store.stat('a/b')],
    ['open', () => store.open('a/b')],
    ['put', () => put(store, 'a/b', contentOf('a'))],
    ['delete', () => store.delete('a/b')],
    ['list', () => listedKeys(store, 'a/b')],
  ] as const) {
    const error = await failing().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect({ operation, error }).toMatchObject({ error: { code, retryAfter: 7 } });
    const start = `${operation} of "a/b" in ${place}: the server answered ${status}`;
    expect(String(error)).toContain(start);
    expect(SnapshotError.is(error) && error.isTransient).toBe(code !== 'STORAGE_FULL');
  }
}

/** Checks that a write reads only some parts of its body while the server holds parts back. */
export async function expectBoundedReading(
  store: SnapshotStore,
  held: Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  const read = { bytes: 0 };
  const writing = store.put('key', endless(read), { signal: controller.signal });
  writing.catch(() => {});
  await held;
  expect(read.bytes).toBeLessThanOrEqual(4 * MIB);
  controller.abort(new Error('enough'));
  await expect(writing).rejects.toThrow('enough');
}

async function* endless(read: { bytes: number }): AsyncGenerator<Uint8Array> {
  for (;;) {
    read.bytes += MIB / 4;
    yield Buffer.alloc(MIB / 4);
  }
}
