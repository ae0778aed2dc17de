import { SnapshotError, toSnapshotError } from '../lib/errors.js';
import { MemoryStore } from '../lib/stores/memory.js';
import { freshRepository, read } from './support/fresh-repository.js';
import { cleanup } from './support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);

/** The errors of another installed copy of the library. */
const other: typeof import('../lib/errors.js') = await import(
  new URL('../lib/errors.js?copy', import.meta.url).href
);

test('An error of another installed copy of the library is recognized by its code', () => {
  const error = new other.SnapshotError('PRECONDITION_FAILED', 'replaced');
  expect(error).not.toBeInstanceOf(SnapshotError);
  expect(SnapshotError.is(error)).toBe(true);
  expect(SnapshotError.is(error, 'PRECONDITION_FAILED')).toBe(true);
  expect(SnapshotError.is(error, 'INTERNAL')).toBe(false);
  expect(toSnapshotError(error)).toBe(error);
});

test.each([
  undefined,
  null,
  'PRECONDITION_FAILED',
  Object.assign(new Error('a store failed'), { code: 'PRECONDITION_FAILED' }),
  Object.assign(new other.SnapshotError('INTERNAL', 'a later version'), { code: 'NEW_CODE' }),
])(
  'What is no such error, or has a code that this copy does not know, is INTERNAL: %p',
  (error) => {
    expect(SnapshotError.is(error)).toBe(false);
    expect(toSnapshotError(error).code).toBe('INTERNAL');
  },
);

test('A store that uses another copy of the library can refuse to replace an artifact', async () => {
  class OtherCopysStore extends MemoryStore {
    override async put(): Promise<never> {
      throw new other.SnapshotError('PRECONDITION_FAILED', 'replaced');
    }
  }
  const repository = await freshRepository({ directory, defer });
  const service = repository.start({ store: new OtherCopysStore({ maxBytes: 1e9 }) });
  const failures: unknown[] = [];
  service.events.on('storeFailed', (failure) => failures.push(failure));
  await read(service, repository.snapshot);
  await service.close({ running: 'wait' });
  expect(failures).toEqual([]);
});
