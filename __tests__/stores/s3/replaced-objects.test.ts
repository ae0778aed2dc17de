import { S3Store, type S3StoreOptions } from '../../../lib/stores/s3/index.js';
import { registerCases } from '../../../lib/testing/contract.js';
import {
  assertContent,
  beginPut,
  contentOf,
  listedKeys,
  put,
} from '../../../lib/testing/store-content.js';
import { replacedCases } from '../../../lib/testing/store-replaced.js';
import { setDate } from '../../support/fake-date.js';
import { FakeS3, fail } from '../../support/fake-s3.js';
import { cleanup } from '../../support/temporary-directory.js';

const MINUTE = 60_000;
const GIB = 1024 ** 3;

const { defer } = cleanup(afterEach);
let s3: FakeS3;
let store: S3Store;

beforeEach(async () => {
  s3 = await FakeS3.start(defer);
  store = make();
});

function make(options: Partial<S3StoreOptions> = {}): S3Store {
  const made = new S3Store({ bucket: 'bucket', config: s3.config, prefix: 'p/', ...options });
  defer(() => made.close());
  return made;
}

const copies = () => [...s3.objects.keys()].filter((name) => name.startsWith('p/!replaced/'));

async function replace(key: string, of: string, by: string, into = store): Promise<string> {
  const { revision } = await put(into, key, contentOf(of));
  await put(into, key, contentOf(by), {}, { ifRevision: revision });
  return revision;
}

describe('What the contract says of replaced revisions', () => {
  registerCases(
    test,
    replacedCases,
    () => ({ store: make() }),
    ({ store: made }) => made.close(),
  );
});

describe('A replaced object', () => {
  test('is a copy beside the others, which all replicas read', async () => {
    const revision = await replace('a/b', 'old', 'new');
    expect(copies()).toEqual([`p/!replaced/a/b.object/${revision}`]);
    await assertContent(make(), 'a/b', contentOf('old'), { revision });
    expect(await listedKeys(make())).toEqual(['a/b']);
    expect(await make({ prefix: '' }).listReplaced('a/b')).toEqual([]);
  });

  test('that was found is read by one request', async () => {
    const revision = await replace('key', 'old', 'new');
    const other = make();
    expect(await other.listReplaced('key')).toMatchObject([{ revision }]);
    s3.requests.length = 0;
    await assertContent(other, 'key', contentOf('old'), { revision });
    expect(s3.operations()).toEqual(['GetObject']);
  });

  test('is gone after keepReplacedFor, whichever process made it', async () => {
    const revision = await replace('key', 'old', 'new');
    setDate(defer, 11 * MINUTE);
    expect(await store.listReplaced('key')).toEqual([]);
    const other = await replace('other', 'old', 'new', make());
    expect(copies()).toEqual([`p/!replaced/other.object/${other}`]);
    expect(await store.open('key', { revision })).toBeUndefined();
  });

  test('goes first that is the oldest, when there are too many bytes', async () => {
    const small = make({ maxReplacedBytes: 2500 });
    const revisions: string[] = [];
    for (const key of ['a', 'b', 'c']) {
      revisions.push(await replace(key, 'old', 'new', small));
      setDate(defer, 1000);
    }
    const kept = ['b', 'c'].map((key, i) => `p/!replaced/${key}.object/${revisions[i + 1]}`);
    expect(copies()).toEqual(kept);
  });

  test('is none where nothing is to be kept', async () => {
    await replace('key', 'old', 'new', make({ keepReplacedFor: 0 }));
    expect(s3.operations()).not.toContain('CopyObject');
    expect(copies()).toEqual([]);
  });

  test('of more than 5 GiB is copied in parts', async () => {
    const { revision } = await put(store, 'key', contentOf('old'));
    s3.after = ({ operation, res }) => {
      if (operation !== 'HeadObject') return false;
      const { content, metadata } = s3.objects.get('p/key.object') ?? {};
      const tag = s3.tagOf(content ?? Buffer.alloc(0));
      res.writeHead(200, { ...metadata, ETag: tag, 'Content-Length': 5.5 * GIB }).end();
      return true;
    };
    await put(store, 'key', contentOf('new'), {}, { ifRevision: revision });
    expect(s3.operations().filter((name) => name.startsWith('UploadPartCopy'))).toHaveLength(6);
    s3.after = () => false;
    expect(s3.uploads.size).toBe(0);
    await assertContent(store, 'key', contentOf('old'), { revision });
  });
});

test.each(['CopyObject', 'ListObjectsV2'] as const)(
  'A server that refuses %s takes the new object all the same, and it is told once',
  async (refused) => {
    const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    defer(() => emitWarning.mockRestore());
    s3.before = ({ operation, res }) => {
      if (operation === refused) fail(res, 403, 'AccessDenied');
      return operation === refused;
    };
    for (const key of ['a', 'b']) {
      await replace(key, 'old', 'new');
      await assertContent(store, key, contentOf('new'));
    }
    expect(emitWarning).toHaveBeenCalledTimes(1);
  },
);

test('A copy that hangs is given up with the write that it is made for', async () => {
  const { revision } = await put(store, 'key', contentOf('old'));
  let ended: Promise<unknown> = Promise.resolve();
  const reached = new Promise<void>((resolve) => {
    s3.before = async ({ operation, req }) => {
      if (operation !== 'CopyObject') return false;
      ended = new Promise((close) => req.once('close', close));
      resolve();
      return true;
    };
  });
  const write = beginPut(store, 'key', { ifRevision: revision });
  await reached;
  await write.fail();
  await ended;
  await assertContent(store, 'key', contentOf('old'));
});
