import { setImmediate } from 'node:timers/promises';
import { S3Store } from '../../../lib/stores/s3/index.js';
import { assertContent, contentOf, listedKeys, put } from '../../../lib/testing/store-content.js';
import { FakeS3, fail } from '../../support/fake-s3.js';
import { cleanup } from '../../support/temporary-directory.js';
import { PART, storeWithoutCopies } from './stores.js';

const REFUSED = { code: 'PRECONDITION_FAILED' };

const { defer } = cleanup(afterEach);
let s3: FakeS3;
let store: S3Store;

beforeEach(async () => {
  s3 = await FakeS3.start(defer);
  store = make();
});

const make = () => storeWithoutCopies(s3, defer);

/** An object whose date is that of the last search for leftovers. */
const SWEPT = '!large-swept';

/** The names of all other objects. */
function names(): string[] {
  return [...s3.objects.keys()].filter((name) => name !== SWEPT).sort();
}

/** Waits for work in the background. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await setImmediate();
}

describe('On a server that does not check uploads, an object in parts', () => {
  const large = contentOf('large', 1.5 * PART);
  const metadata = { text: contentOf('text', 3000).toString('base64') };

  beforeEach(() => {
    s3.checksUploads = false;
  });

  test.each([{}, metadata])('is read and listed like any other', async (described) => {
    const stored = await put(store, 'key', large, described, { ifRevision: null });
    expect(names()).toEqual([`!large/key.object/${stored.revision}`, 'key.object']);
    expect(await store.stat('key')).toEqual(stored);
    await assertContent(store, 'key', large);
    for (const [start, end] of [
      [0, 9],
      [PART - 1, PART + 1],
      [large.length - 1, large.length - 1],
    ] as const) {
      const part = large.subarray(start, end + 1);
      await assertContent(store, 'key', part, { range: { start, end }, revision: stored.revision });
    }
    const outside = { start: 0, end: large.length };
    await expect(store.open('key', { range: outside })).rejects.toThrow(RangeError);
    expect(await listedKeys(store)).toEqual(['key']);
  });

  test('leaves no bytes when it is replaced, refused or deleted', async () => {
    const { revision } = await put(store, 'key', large, {}, { ifRevision: null });
    const late = put(store, 'key', large, {}, { ifRevision: null });
    await expect(late).rejects.toMatchObject(REFUSED);
    expect(names()).toEqual([`!large/key.object/${revision}`, 'key.object']);
    const next = await put(store, 'key', large, {}, { ifRevision: revision });
    expect(names()).toEqual([`!large/key.object/${next.revision}`, 'key.object']);
    const small = await put(store, 'key', contentOf('a'), {}, { ifRevision: next.revision });
    expect(names()).toEqual(['key.object']);
    await put(store, 'key', large, {}, { ifRevision: small.revision });
    await store.delete('key');
    expect(names()).toEqual([]);
  });

  test('is kept as a copy when it is replaced', async () => {
    const options = { bucket: 'bucket', config: s3.config, partSize: PART };
    const keeping = new S3Store(options);
    defer(() => keeping.close());
    const { revision } = await put(keeping, 'key', large, metadata, { ifRevision: null });
    await put(keeping, 'key', contentOf('new'), {}, { ifRevision: revision });
    expect(names()).toEqual([`!replaced/key.object/${revision}`, 'key.object']);
    await assertContent(keeping, 'key', large, { revision });
  });

  test('is a miss when its bytes have expired', async () => {
    const { revision } = await put(store, 'key', large, {}, { ifRevision: null });
    s3.objects.delete(`!large/key.object/${revision}`);
    expect(await store.open('key')).toBeUndefined();
    await put(store, 'key', contentOf('new'), {}, { ifRevision: revision });
    await assertContent(store, 'key', contentOf('new'));
  });

  test('keeps its bytes when the server does not tell whether the pointer is stored', async () => {
    s3.after = ({ operation, name, res }) => {
      if (operation !== 'PutObject' || name !== 'key.object') return false;
      s3.before = (later) => {
        fail(later.res, 400, 'Whatever');
        return true;
      };
      res.destroy();
      return true;
    };
    const writing = put(store, 'key', large, {}, { ifRevision: null });
    await expect(writing).rejects.toMatchObject({ code: 'STORE_FAILED' });
    s3.before = () => false;
    await assertContent(store, 'key', large);
  });

  test('is searched for its leftovers once a day, by one of all processes', async () => {
    const old = new Date(Date.now() - 25 * 60 * 60_000);
    const { revision } = await put(store, 'kept', large, {}, { ifRevision: null });
    await until(() => s3.operations().includes('ListObjectsV2'));
    const current = `!large/kept.object/${revision}`;
    const leftovers = ['!large/kept.object/older', '!large/gone.object/1'];
    for (const name of leftovers)
      s3.objects.set(name, { content: Buffer.from('x'), metadata: {}, modifiedAt: old });
    s3.objects.set('!large/new.object/1', { content: Buffer.from('x'), metadata: {} });
    const bytes = s3.objects.get(current);
    if (bytes !== undefined) s3.objects.set(current, { ...bytes, modifiedAt: old });

    const search = async () => {
      s3.requests.length = 0;
      await put(make(), `other-${s3.objects.size}`, large, {}, { ifRevision: null });
      await until(() => s3.requests.some(({ name }) => name === SWEPT));
    };
    await search();
    expect(names()).toEqual(expect.arrayContaining(leftovers));
    s3.objects.set(SWEPT, { content: Buffer.from('x'), metadata: {}, modifiedAt: old });
    await search();
    await until(() => !names().includes('!large/kept.object/older'));
    await until(() => !names().includes('!large/gone.object/1'));
    expect(names()).toEqual(expect.arrayContaining(['!large/new.object/1', current]));
    await assertContent(store, 'kept', large);
  });
});
