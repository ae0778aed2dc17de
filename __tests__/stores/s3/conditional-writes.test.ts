import { setImmediate } from 'node:timers/promises';
import { S3Store } from '../../../lib/stores/s3/index.js';
import { registerCases } from '../../../lib/testing/contract.js';
import { conditionCases } from '../../../lib/testing/store-conditions.js';
import { assertContent, assertMiss, contentOf, put } from '../../../lib/testing/store-content.js';
import { type FakeRequest, FakeS3, fail } from '../../support/fake-s3.js';
import { cleanup } from '../../support/temporary-directory.js';
import { PART, storeWithoutCopies } from './stores.js';

/*
 * With a fake server that evaluates conditions as S3 does. The real servers that tests can use do not.
 */
const REFUSED = { code: 'PRECONDITION_FAILED' };
/** The requests that publish, by the size of the write. */
const WRITES = [
  ['one request', { size: 1000, operation: 'PutObject' }],
  ['parts', { size: 1.5 * PART, operation: 'CompleteMultipartUpload' }],
  [
    'parts, to a server that checks only single requests',
    { size: 1.5 * PART, operation: 'PutObject', checksUploads: false },
  ],
] as const;

const { defer } = cleanup(afterEach);
let s3: FakeS3;
let store: S3Store;

beforeEach(async () => {
  s3 = await FakeS3.start(defer);
  store = make();
});

const make = () => storeWithoutCopies(s3, defer);

/** Does something once, at the first request that publishes an object. */
function atFirst(operation: string, work: (request: FakeRequest) => boolean | Promise<boolean>) {
  let isOver = false;
  return async (request: FakeRequest) => {
    if (isOver || request.operation !== operation || isProbe(request)) return false;
    isOver = true;
    return await work(request);
  };
}

function isProbe({ name }: FakeRequest): boolean {
  return name.startsWith('!probe/');
}

/** The names of all stored objects. */
function names(): string[] {
  return [...s3.objects.keys()];
}

/** The operations of the requests that are no probes. */
function operations(): string[] {
  return s3.requests.flatMap((request) => (isProbe(request) ? [] : [request.operation]));
}

describe.each([
  ['one request', true],
  ['several parts, to a server that does not check uploads', false],
] as const)('An S3Store keeps the contract of conditions, in %s:', (_, checksUploads) => {
  registerCases(
    test,
    conditionCases,
    () => {
      s3.checksUploads = checksUploads;
      const about = checksUploads ? {} : { bytesInParts: PART + 1 };
      return { store: make(), reopen: make, ...about };
    },
    ({ store: made }) => made.close(),
  );
});

describe.each(WRITES)('A write in %s', (_, { size, operation, ...server }) => {
  beforeEach(() => {
    Object.assign(s3, server);
  });

  /** If the server checks nothing, there are no pointers. */
  const publishing = size > PART ? 'CompleteMultipartUpload' : operation;
  const old = contentOf('old', size);
  const content = contentOf('new', size);
  const other = contentOf('other', size);

  test('is refused by the server when another write comes right before it', async () => {
    const { revision } = await put(store, 'key', old);
    for (const [key, ifRevision] of [
      ['key', revision],
      ['none', null],
    ] as const) {
      s3.before = atFirst(operation, async () => {
        await put(make(), key, other);
        return false;
      });
      await expect(put(store, key, content, {}, { ifRevision })).rejects.toMatchObject(REFUSED);
      await assertContent(store, key, other);
    }
    expect(s3.uploads.size).toBe(0);
  });

  test('is refused when the object that it replaces is deleted right before it', async () => {
    const { revision: ifRevision } = await put(store, 'key', old);
    s3.before = atFirst(operation, async () => {
      await make().delete('key');
      return false;
    });
    await expect(put(store, 'key', content, {}, { ifRevision })).rejects.toMatchObject(REFUSED);
    await assertMiss(store, 'key');
    expect(s3.uploads.size).toBe(0);
  });

  test('is refused when S3 reports another write at the same time', async () => {
    s3.before = atFirst(operation, ({ res }) => {
      fail(res, 409, 'ConditionalRequestConflict');
      return true;
    });
    const writing = put(store, 'key', content, {}, { ifRevision: null });
    await expect(writing).rejects.toMatchObject(REFUSED);
    expect(s3.uploads.size).toBe(0);
  });

  test('is a commit even if its answer is lost and the repeated request is refused', async () => {
    const { revision } = await put(store, 'key', old);
    for (const ifRevision of [revision, null]) {
      if (ifRevision === null) await store.delete('key');
      s3.after = atFirst(operation, ({ res }) => {
        res.destroy();
        return true;
      });
      const stored = await put(store, 'key', content, {}, { ifRevision });
      expect(await store.stat('key')).toEqual(stored);
    }
  });

  test.each([
    ['says that it has none', 501, 'NotImplemented'],
    ['refuses a write that it should accept', 412, 'PreconditionFailed'],
    ['refuses one with a code of its own', 412, 'InvalidRequest'],
  ])('has no more conditions after a server %s', async (_said, status, code) => {
    s3.before = ({ operation: asked, req, res }) => {
      const { 'if-match': match, 'if-none-match': noneMatch } = req.headers;
      if (asked !== operation || (match ?? noneMatch) === undefined) return false;
      fail(res, status, code);
      return true;
    };
    const { revision } = await put(store, 'key', old, {}, { ifRevision: null });
    await assertContent(store, 'key', old);
    s3.requests.length = 0;
    await put(store, 'key', content, {}, { ifRevision: revision });
    await assertContent(store, 'key', content);
    expect(s3.operations().filter((name) => name === publishing)).toHaveLength(1);
    // What it would replace is looked at all the same.
    await expect(put(store, 'key', other, {}, { ifRevision: revision })).rejects.toMatchObject(
      REFUSED,
    );
    await assertContent(store, 'key', content);
  });
});

test('An object that no store has written is a miss, and may be replaced', async () => {
  s3.objects.set('key.object', { content: Buffer.from('of somebody else'), metadata: {} });
  await assertMiss(store, 'key');
  await put(store, 'key', contentOf('a'), {}, { ifRevision: null });
  await assertContent(store, 'key', contentOf('a'));
});

test('A write without a condition makes no request for it', async () => {
  await put(store, 'key', contentOf('a'));
  expect(s3.operations()).toEqual(['PutObject']);
});

test('A condition takes one request, and at first one more to find the bucket', async () => {
  const { revision } = await put(store, 'key', contentOf('a'), {}, { ifRevision: null });
  await put(store, 'key', contentOf('b'), {}, { ifRevision: revision });
  const [first, second, ...later] = operations();
  expect([first, second]).toEqual(['HeadObject', 'HeadBucket']);
  expect(later).toEqual(['PutObject', 'HeadObject', 'PutObject']);
});

test('A store probes the server once for each kind of write, and leaves nothing behind', async () => {
  for (const size of [1000, 1.5 * PART, 1000, 1.5 * PART])
    await put(store, `key-${size}`, contentOf('a', size), {}, { ifRevision: null }).catch(() => {});
  const probes = s3.requests.filter(isProbe).map(({ operation, req }) => {
    const { 'if-match': match, 'if-none-match': noneMatch } = req.headers;
    return [operation, match ?? noneMatch].filter(Boolean).join(' ');
  });
  const conditions = [
    '*',
    '*',
    '00000000000000000000000000000000',
    expect.stringMatching(/^\w{32}$/),
  ];
  const ofKind = (name: string) => probes.filter((probe) => probe.startsWith(name));
  for (const name of ['PutObject', 'CompleteMultipartUpload']) {
    const tags = ofKind(name).map((probe) => probe.slice(name.length + 1));
    expect(tags).toEqual(conditions);
  }
  expect(probes).toHaveLength(5 + 11);
  expect(s3.uploads.size).toBe(0);
  expect([...s3.objects.keys()].sort()).toEqual(['key-1000.object', `key-${1.5 * PART}.object`]);
});

describe.each(WRITES.slice(0, 2))('Before a write in %s,', (_, { size, operation }) => {
  test('a server that forbids probes is taken for one that checks conditions', async () => {
    const forbid = (request: FakeRequest) => {
      if (isProbe(request)) fail(request.res, 403, 'AccessDenied');
      return isProbe(request);
    };
    s3.before = forbid;
    const { revision } = await put(store, 'key', contentOf('a', size), {}, { ifRevision: null });
    const replacing = atFirst(operation, async () => {
      await put(make(), 'key', contentOf('b'));
      return false;
    });
    s3.before = async (request) => forbid(request) || (await replacing(request));
    const writing = put(store, 'key', contentOf('c', size), {}, { ifRevision: revision });
    await expect(writing).rejects.toMatchObject(REFUSED);
  });

  test('a signal ends the wait for a server that does not answer a probe', async () => {
    const leaving = new AbortController();
    s3.before = (request) => {
      if (isProbe(request)) leaving.abort(new Error('the client left'));
      return isProbe(request);
    };
    const options = { ifRevision: null, signal: leaving.signal };
    const writing = put(store, 'key', contentOf('a', size), {}, options);
    await expect(writing).rejects.toThrow('the client left');
    expect(names()).toEqual([]);
    expect(s3.uploads.size).toBe(0);
  });
});

test('The process is warned once about a server that ignores conditions', async () => {
  s3.checksWrites = false;
  const warnings: string[] = [];
  const listen = ({ message }: Error) => void warnings.push(message);
  process.on('warning', listen);
  defer(() => void process.off('warning', listen));
  let revision: string | null = null;
  for (const seed of ['a', 'b', 'c'])
    ({ revision } = await put(store, 'key', contentOf(seed), {}, { ifRevision: revision }));
  await setImmediate();
  expect(warnings).toEqual(['the server of bucket bucket does not check conditions of writes']);
});

test('Without conditionalWrites, no request has a condition', async () => {
  const plain = new S3Store({ bucket: 'bucket', config: s3.config, conditionalWrites: false });
  defer(() => plain.close());
  expect(plain.writesConditionally).toBe(false);
  await put(plain, 'key', contentOf('a'));
  await put(plain, 'key', contentOf('b'), {}, { ifRevision: null });
  await assertContent(plain, 'key', contentOf('b'));
  expect(s3.operations()).toEqual(['PutObject', 'PutObject', 'GetObject']);
});
