import { elapsedSince, now } from '../async/clock.js';
import type { SnapshotStore, StoredObject } from '../stores/store.js';
import { errorType } from './attributes.js';
import { measured } from './measured.js';
import { Meters } from './meters.js';
import type { InstrumentStoreOptions } from './options.js';
import { parseInstrumentStoreOptions } from './schema.js';

/**
 * A store that measures each call of another store: `createSnapshotRouter({ store: instrumentStore(store) })`.
 * It has the optional methods that the other store has. `close` also ends the counting of objects.
 *
 * @throws SnapshotError `INVALID_OPTIONS`
 */
export function instrumentStore(
  store: SnapshotStore,
  options: InstrumentStoreOptions = {},
): SnapshotStore {
  const { name, countInterval, meterProvider } = parseInstrumentStoreOptions(options);
  const about = { 'git_snapshot.store': name };
  const meters = new Meters(meterProvider);
  const durations = meters.histogram('git_snapshot.store.operation.duration');
  const measure = <T>(operation: string, call: () => Promise<T>) =>
    measured(call, (seconds, error) => {
      const failed = errorType(error);
      durations.record(seconds, { ...about, 'git_snapshot.operation': operation, ...failed });
    });
  const stopCounting =
    countInterval === undefined ? () => {} : countObjects(store, countInterval, meters, about);

  const { putFile, getFile, getDownloadUrl, listReplaced } = store;
  return {
    ...(store.writesConditionally !== undefined && {
      writesConditionally: store.writesConditionally,
    }),
    get degradation() {
      return store.degradation;
    },
    stat: (...args) => measure('stat', () => store.stat(...args)),
    open: (...args) => measure('open', () => store.open(...args)),
    put: (...args) => measure('put', () => store.put(...args)),
    delete: (...args) => measure('delete', () => store.delete(...args)),
    async *list(listOptions) {
      const since = now();
      let failure: unknown;
      try {
        yield* store.list(listOptions);
      } catch (error) {
        failure = error;
        throw error;
      } finally {
        const operation = { 'git_snapshot.operation': 'list' };
        const seconds = elapsedSince(since) / 1000;
        durations.record(seconds, { ...about, ...operation, ...errorType(failure) });
      }
    },
    ...(putFile && {
      putFile: (...args) => measure('putFile', () => putFile.apply(store, args)),
    }),
    ...(getFile && {
      getFile: (...args) => measure('getFile', () => getFile.apply(store, args)),
    }),
    ...(getDownloadUrl && {
      getDownloadUrl: (...args) =>
        measure('getDownloadUrl', () => getDownloadUrl.apply(store, args)),
    }),
    ...(listReplaced && {
      listReplaced: (...args) => measure('listReplaced', () => listReplaced.apply(store, args)),
    }),
    async close() {
      stopCounting();
      await store.close?.();
    },
  };
}

interface Content {
  readonly count: number;
  readonly bytes: number;
}

/** Lists the store when metrics are collected, at most once per interval. */
function countObjects(
  store: SnapshotStore,
  interval: number,
  meters: Meters,
  about: { readonly 'git_snapshot.store': string },
): () => void {
  let counted:
    | { readonly at: ReturnType<typeof now>; readonly content: Promise<Content> }
    | undefined;
  return meters.observe(
    ['git_snapshot.store.object.count', 'git_snapshot.store.size'],
    async (observe) => {
      if (counted === undefined || elapsedSince(counted.at) >= interval) {
        counted = { at: now(), content: contentOf(store.list()) };
      }
      const { count, bytes } = await counted.content;
      observe('git_snapshot.store.object.count', count, about);
      observe('git_snapshot.store.size', bytes, about);
    },
  );
}

async function contentOf(objects: AsyncIterable<StoredObject>): Promise<Content> {
  let count = 0;
  let bytes = 0;
  for await (const { size } of objects) {
    count++;
    bytes += size;
  }
  return { count, bytes };
}
