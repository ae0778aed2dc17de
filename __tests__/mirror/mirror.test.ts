import { withResolvers } from '../../lib/async/with-resolvers.js';
import type { FoundMirror } from '../../lib/mirror/disk/mirror-directory.js';
import type { MirrorRevision } from '../../lib/mirror/disk/revision.js';
import { Mirror } from '../../lib/mirror/mirror.js';

const REPOSITORY = { host: 'git.test', path: 'org/repo' };

const CONTENT: MirrorRevision = {
  number: 1,
  repository: REPOSITORY,
  clone: '0123456789abcdef',
  packs: ['pack-1'],
  head: { kind: 'branch', ref: 'refs/heads/main', oid: undefined },
  digest: 'a',
  pinned: { commits: [], packs: [] },
  garbageSince: undefined,
  prunings: 0,
  isConnected: true,
};

const FOUND = { revision: CONTENT, bytes: 7 };

let mirror: Mirror;

beforeEach(() => {
  mirror = new Mirror(REPOSITORY, '/mirrors/one');
});

/** A clone that the test completes, or makes fail. */
function pendingClone() {
  let calls = 0;
  const { promise, resolve, reject } = withResolvers<FoundMirror>();
  const clone = () => {
    calls++;
    return promise;
  };
  return { clone, calls: () => calls, complete: resolve, fail: reject };
}

const unexpected = () => Promise.reject(new Error('this clone must not run'));

test('A mirror is empty at first', () => {
  expect(mirror.state).toBe('empty');
});

test('Many callers at once share one clone and its result', async () => {
  const pending = pendingClone();
  const callers = Array.from({ length: 50 }, () => mirror.ensureReady(pending.clone));
  expect(mirror.state).toBe('cloning');
  expect(pending.calls()).toBe(1);
  pending.complete(FOUND);
  expect(await Promise.all(callers)).toEqual(callers.map(() => CONTENT));
  expect(mirror.state).toBe('ready');
  expect(mirror.bytes).toBe(7);
});

test('A mirror is cloned once', async () => {
  await mirror.ensureReady(async () => FOUND);
  expect(await mirror.ensureReady(unexpected)).toBe(CONTENT);
});

describe('A failed clone', () => {
  test('fails for all callers that wait for it, and leaves the mirror empty', async () => {
    const pending = pendingClone();
    const callers = Array.from({ length: 10 }, () => mirror.ensureReady(pending.clone));
    const failure = new Error('no luck');
    pending.fail(failure);
    const outcomes = await Promise.allSettled(callers);
    expect(outcomes).toEqual(callers.map(() => ({ status: 'rejected', reason: failure })));
    expect(mirror.state).toBe('empty');
  });

  test('can be tried again as soon as its error is known', async () => {
    const pending = pendingClone();
    const retries = [1, 2].map(async () => {
      await expect(mirror.ensureReady(pending.clone)).rejects.toThrow('no luck');
      return mirror.ensureReady(async () => FOUND);
    });
    pending.fail(new Error('no luck'));
    expect(await Promise.all(retries)).toEqual([CONTENT, CONTENT]);
    expect(pending.calls()).toBe(1);
  });

  test('that throws at once rejects like any other failure', async () => {
    const clone = () => {
      throw new Error('at once');
    };
    await expect(mirror.ensureReady(clone)).rejects.toThrow('at once');
    expect(mirror.state).toBe('empty');
    expect(await mirror.ensureReady(async () => FOUND)).toBe(CONTENT);
  });
});

test('A mirror whose files are gone is empty, and can be cloned again', async () => {
  await mirror.ensureReady(async () => FOUND);
  mirror.clear();
  expect(mirror.state).toBe('empty');
  expect(mirror.revision).toBeUndefined();
  expect(mirror.bytes).toBe(0);
  expect(await mirror.ensureReady(async () => FOUND)).toBe(CONTENT);
});
