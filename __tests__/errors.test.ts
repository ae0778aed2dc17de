import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SnapshotError, thrownAgain, toSnapshotError } from '../lib/errors.js';
import { MemoryStore } from '../lib/stores/memory.js';
import { freshRepository, read } from './support/fresh-repository.js';
import { listen } from './support/service-events.js';
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

const unreadable = () => {
  throw new Error('unreadable');
};

test.each([
  ['an object without a prototype', Object.create(null)],
  ['a proxy that refuses', new Proxy({}, { get: unreadable, has: unreadable })],
  [
    'an error with a message that fails',
    Object.defineProperty(new Error(), 'message', { get: unreadable }),
  ],
  [
    'an error with a code that fails',
    Object.defineProperty(new Error(), 'code', { get: unreadable }),
  ],
  [
    'an error whose message is no text',
    Object.assign(new Error(), { message: Object.create(null) }),
  ],
])('A thrown value that can not be read is INTERNAL: %s', (_what, thrown: unknown) => {
  expect(SnapshotError.is(thrown)).toBe(false);
  const error = toSnapshotError(thrown);
  expect(error.code).toBe('INTERNAL');
  expect(error.cause).toBe(thrown);
});

test('An error about no repository gets the one that its work was for, and keeps the rest', () => {
  const repository = { host: 'git.test', path: 'org/repo' };
  const cause = new Error('cause');
  const options = { cause, retryAfter: 7, limit: 'maxFiles' };
  const error = new SnapshotError('LIMIT_EXCEEDED', 'too much', options);
  const named = toSnapshotError(error, repository);
  const { stack } = error;
  expect(named).toMatchObject({ code: 'LIMIT_EXCEEDED', message: 'too much', stack, ...options });
  expect(named.repository).toEqual(repository);
  expect(error.repository).toBeUndefined();
  expect(toSnapshotError(named, { host: 'git.test', path: 'other' })).toBe(named);
  expect(thrownAgain(named, 3)).toMatchObject({ repository, limit: 'maxFiles', retryAfter: 3 });
});

test('The reason of a signal stays the same error', () => {
  for (const code of ['ABORTED', 'CLOSED'] as const) {
    const reason = new SnapshotError(code, 'the end');
    expect(toSnapshotError(reason, { host: 'git.test', path: 'org/repo' })).toBe(reason);
  }
});

test('Each limit that an error names is an option', async () => {
  const lib = join(process.cwd(), 'lib');
  const paths = await readdir(lib, { recursive: true });
  const texts = paths
    .filter((path) => path.endsWith('.ts'))
    .map((path) => readFile(join(lib, path)));
  const source = (await Promise.all(texts)).join('\n');
  const calls = /\b(?:limitExceeded|tooLarge|tooMuch|checkLimit)\(\s*'(\w+)'/g;
  const limits = new Set(Array.from(source.matchAll(calls), ([, name = '']) => name));
  expect(limits.size).toBeGreaterThan(8);
  const pages = ['docs/options.md', 'docs/api.md'].map((page) => readFile(page, 'utf8'));
  const documented = (await Promise.all(pages)).join('\n');
  for (const name of limits) expect(documented).toContain(`\`${name}\``);
});

test('The failure of a clone names the repository, now and while it is remembered', async () => {
  const repository = await freshRepository({ directory, defer });
  repository.upstream.fault(repository.path, { kind: 'status', status: 404 });
  const service = repository.start({ freshness: { negativeCacheTtl: 60_000 } });
  for (let call = 1; call <= 2; call++) {
    await expect(read(service, repository.snapshot)).rejects.toMatchObject({
      code: 'UPSTREAM_NOT_FOUND',
      isTransient: false,
      repository: repository.id,
    });
  }
});

test('A store that uses another copy of the library can refuse to replace an artifact', async () => {
  class OtherCopysStore extends MemoryStore {
    override async put(): Promise<never> {
      throw new other.SnapshotError('PRECONDITION_FAILED', 'replaced');
    }
  }
  const repository = await freshRepository({ directory, defer });
  const service = repository.start({ store: new OtherCopysStore({ maxBytes: 1e9 }) });
  const failures: unknown[] = [];
  listen(service, 'store failed', (failure) => failures.push(failure));
  await read(service, repository.snapshot);
  await service.close({ drain: true });
  expect(failures).toEqual([]);
});
