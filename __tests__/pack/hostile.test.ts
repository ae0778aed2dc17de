/** @one-node-version */
import { deflateSync } from 'node:zlib';
import { SnapshotError } from '../../lib/errors.js';
import { ingestPack } from '../../lib/pack/ingest.js';
import { makeDelta } from '../support/delta.js';
import { makePack, type PackEntry } from '../support/hostile-pack.js';
import { hostilePacks } from '../support/hostile-packs.js';
import { objectId } from '../support/object-id.js';
import { cleanup } from '../support/temporary-directory.js';
import { emptyBlocks } from './hand-made-packs.js';
import { indexWithGit, ingest, LIMITS, refusal } from './ingesting.js';

const { directory } = cleanup(afterEach);
const MIB = 1024 * 1024;

const invalid = expect.objectContaining({ name: 'SnapshotError', code: 'UPSTREAM_INVALID' });
const overLimit = expect.objectContaining({ name: 'SnapshotError', code: 'LIMIT_EXCEEDED' });

const BLOB = Buffer.from('the blob that deltas build on\n');
const SMALL: PackEntry[] = [
  { type: 'blob', body: BLOB },
  { type: 'ofs-delta', base: 0, body: makeDelta(BLOB.length, 8, [{ copy: [4, 8] }]) },
  {
    type: 'ref-delta',
    base: objectId('blob', BLOB),
    body: makeDelta(BLOB.length, 9, [{ insert: 'other ' }, { copy: [0, 3] }]),
  },
  { type: 'commit', body: 'not much of a commit\n' },
];

describe('An ingest judges as git index-pack does:', () => {
  /** Git takes it; it never writes it. */
  const stricter = new Set(['version 3']);
  const limited = new Set(['4 thousand million objects', 'a declared size of 2^50']);

  test.each([
    ['4', Buffer.of(0x80 | BLOB.length, 0, 0x80, 0)],
    ['3', Buffer.of(BLOB.length, 0x80, 0)],
    ['2', Buffer.of(BLOB.length, 0)],
  ])('a delta of %s bytes that gives nothing', async (_, body) => {
    const pack = makePack([
      { type: 'blob', body: BLOB },
      { type: 'ofs-delta', base: 0, body },
    ]);
    const expected = await indexWithGit(pack);
    expect(expected !== undefined).toBe(body.length === 4);
    if (expected === undefined) expect(await refusal(pack)).toEqual(invalid);
    else expect((await ingest(pack)).idx).toEqual(expected);
  });

  test.each(hostilePacks())('$name', async ({ name, pack }) => {
    const expected = await indexWithGit(pack);
    if (expected === undefined || stricter.has(name)) {
      expect(await refusal(pack)).toEqual(limited.has(name) ? overLimit : invalid);
    } else {
      expect((await ingest(pack)).idx).toEqual(expected);
    }
  });
});

describe('An ingest refuses a small pack', () => {
  const pack = makePack(SMALL);

  test('cut at every byte', async () => {
    await ingest(pack);
    for (let length = 0; length < pack.length; length++) {
      expect({ length, error: await refusal(pack.subarray(0, length)) }).toEqual({
        length,
        error: invalid,
      });
    }
  });

  test.each([0x01, 0x80])('with every byte changed by %i', async (mask) => {
    for (let at = 0; at < pack.length; at++) {
      const changed = Buffer.from(pack);
      changed.writeUInt8(changed.readUInt8(at) ^ mask, at);
      const error = await refusal(changed);
      expect(error).toBeInstanceOf(SnapshotError);
      expect({ at, error }).toEqual({
        at,
        error: expect.objectContaining({
          code: expect.stringMatching(/^(UPSTREAM_INVALID|LIMIT_EXCEEDED)$/),
        }),
      });
    }
  });

  test.each([
    ['one byte', Buffer.alloc(1)],
    ['a trailer more', pack.subarray(-20)],
    ['a second pack', pack],
    ['more than a window of bytes', Buffer.alloc(9 * MIB)],
  ])('followed by %s', async (_, garbage) => {
    const followed = Buffer.concat([pack, garbage]);
    for (const chunk of [1 * MIB, 100_000_000]) {
      expect(await refusal(followed, { chunk })).toEqual(invalid);
    }
    const nothing = Buffer.concat([makePack([]), garbage]);
    expect(await refusal(nothing)).toEqual(invalid);
  });
});

describe('An ingest judges as git index-pack does: duplicate objects,', () => {
  const [A, B] = [Buffer.from('content A\n'), Buffer.from('content B\n')];
  const refDelta = (base: Buffer, result: Buffer): PackEntry => ({
    type: 'ref-delta',
    base: objectId('blob', base),
    body: makeDelta(base.length, result.length, [{ insert: result }]),
  });
  const whole = (body: Buffer): PackEntry => ({ type: 'blob', body });

  test.each<[string, PackEntry[]]>([
    ['both whole', [whole(A), whole(A)]],
    ['one of them a delta', [whole(A), whole(B), refDelta(A, B)]],
    ['both deltas', [whole(A), refDelta(A, B), refDelta(A, B)]],
    ['a delta of itself', [whole(A), refDelta(A, A)]],
    ['a base of deltas', [whole(A), whole(A), refDelta(A, B)]],
    ['a base of deltas, itself a delta', [whole(A), whole(B), refDelta(A, B), refDelta(B, A)]],
  ])('%s', async (_, entries) => {
    const pack = makePack(entries);
    const expected = await indexWithGit(pack);
    if (expected === undefined) expect(await refusal(pack)).toEqual(invalid);
    else expect((await ingest(pack)).idx).toEqual(expected);
  });

  test('which double the work at each of 100 levels', async () => {
    const level = (n: number) => Buffer.from(`level ${n}\n`);
    const entries = [whole(level(0)), whole(level(0))];
    for (let n = 1; n < 100; n++) {
      entries.push(refDelta(level(n - 1), level(n)), refDelta(level(n - 1), level(n)));
    }
    expect(await refusal(makePack(entries))).toEqual(invalid);
    expect(await refusal(makePack(entries.toReversed()))).toEqual(invalid);
  });
});

test('An ingest refuses a cycle of deltas with more deltas of its members', async () => {
  const body = (n: number) => Buffer.from(`node ${n}\n`);
  const link = (from: number, to: number): PackEntry => ({
    type: 'ref-delta',
    base: objectId('blob', body(from)),
    body: makeDelta(7, 7, [{ insert: body(to) }]),
  });
  const cycle = [link(0, 1), link(1, 2), link(2, 0), link(1, 3), link(3, 4)];
  expect(await refusal(makePack(cycle))).toEqual(invalid);
  expect(await refusal(makePack([{ type: 'blob', body: body(9) }, ...cycle]))).toEqual(invalid);
  await ingest(makePack([{ type: 'blob', body: body(0) }, ...cycle.filter((_, i) => i !== 2)]));
});

describe('An ingest refuses zlib streams that', () => {
  const sizes: [string, Buffer][] = [
    ['small', Buffer.from('small\n')],
    ['streamed', Buffer.alloc(2 * MIB, 'streamed ')],
  ];
  const entryOf = (body: Buffer, deflated: Buffer, declaredSize = body.length) =>
    makePack([{ type: 'blob', body, deflated, declaredSize }]);

  test.each(sizes)('take far more bytes than their content: %s', async (_, body) => {
    const limit = 2 * body.length + MIB;
    const fits = emptyBlocks(body, limit - 100);
    expect(fits.length).toBeLessThanOrEqual(limit);
    expect(fits.length).toBeGreaterThan(limit - 110);
    expect(await ingest(entryOf(body, fits))).toMatchObject({ objects: 1 });
    for (const chunk of [65536, 100 * MIB]) {
      const tooLong = entryOf(body, emptyBlocks(body, limit + 100));
      expect(await refusal(tooLong, { chunk })).toEqual(invalid);
    }
  });

  test('take far more bytes than their content: a delta', async () => {
    const body = makeDelta(BLOB.length, 3, [{ copy: [0, 3] }]);
    const pack = (bytes: number) =>
      makePack([
        { type: 'blob', body: BLOB },
        { type: 'ofs-delta', base: 0, body, deflated: emptyBlocks(body, bytes) },
      ]);
    await ingest(pack(MIB));
    expect(await refusal(pack(2 * MIB))).toEqual(invalid);
  });

  test.each(sizes)('yield more or less than declared: %s', async (_, body) => {
    const deflated = deflateSync(body);
    await ingest(entryOf(body, deflated));
    for (const difference of [-1, 1]) {
      const pack = entryOf(body, deflated, body.length + difference);
      expect(await refusal(pack)).toEqual(invalid);
    }
  });

  test.each(sizes)('are damaged: %s', async (_, body) => {
    for (const at of [0, 1, 2, -1]) {
      const damaged = Buffer.from(deflateSync(body));
      const position = at < 0 ? damaged.length + at : at;
      damaged.writeUInt8(damaged.readUInt8(position) ^ 0x0f, position);
      expect(await refusal(entryOf(body, damaged))).toEqual(invalid);
    }
    expect(await refusal(entryOf(body, deflateSync(body).subarray(0, -5)))).toEqual(invalid);
  });
});

test('An ingest fails with the error of its source', async () => {
  const path = await directory();
  const failure = new Error('the upstream has gone');
  async function* source(): AsyncGenerator<Buffer> {
    yield makePack(SMALL).subarray(0, 50);
    throw failure;
  }
  await expect(ingestPack(source(), path, LIMITS)).rejects.toBe(failure);
});

test('An ingest fails when one of several threads finds a bad delta', async () => {
  const [good, bad] = [Buffer.from('good\n'), Buffer.from('bad\n')];
  const deltas = Array.from({ length: 41_000 }, (_, i): PackEntry => {
    const result = Buffer.from(`good ${i}\n`);
    return { type: 'ofs-delta', base: 1, body: makeDelta(5, result.length, [{ insert: result }]) };
  });
  const pack = makePack([
    { type: 'blob', body: bad },
    { type: 'blob', body: good },
    ...deltas,
    { type: 'ofs-delta', base: 0, body: makeDelta(4, 5, [{ copy: [0, 4] }]) },
  ]);
  expect(await refusal(pack, { indexThreads: 3 })).toEqual(invalid);
});
