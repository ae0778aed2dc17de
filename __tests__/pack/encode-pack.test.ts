import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodePack, everyObject } from '../../lib/pack/encode-pack.js';
import { ingestPack } from '../../lib/pack/ingest.js';
import { ObjectSet } from '../../lib/pack/object-set.js';
import type { ObjectReader } from '../../lib/pack/reader.js';
import { buildRandomHistory } from '../history/random-history.js';
import { idsOf, openReader, packsOf } from '../history/reading.js';
import { makeDelta } from '../support/delta.js';
import { fsck } from '../support/fsck.js';
import { makePack, type PackEntry } from '../support/hostile-pack.js';
import { objectId } from '../support/object-id.js';
import { SeededRandom, seededBytes } from '../support/random.js';
import { readPack } from '../support/read-pack.js';
import { git, run } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { inChunks, indexWithGit, ingest, LIMITS, packOf, whole } from './ingesting.js';
import { storePack } from './stored-pack.js';

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);

let one: string;
/** Has the same objects in several packs, some of them twice. */
let several: string;

beforeAll(async () => {
  one = join(await shared.directory(), 'one.git');
  const { commits } = await buildRandomHistory(one, 11, 150);
  several = join(await shared.directory(), 'several.git');
  await git('.', 'init', '--quiet', '--bare', several);
  for (const [i, commit] of [commits[50], commits[100], commits[125], commits[149]].entries()) {
    await git(one, 'push', '--quiet', several, `+${commit}:refs/heads/main-${i}`);
    await git(several, 'repack', '--quiet', '-d', ...(i === 2 ? ['-f', '--window=20'] : []));
    if (i < 2) continue;
    const objects = await git(several, 'rev-list', '--objects', '--all', '--skip=5');
    const names = `${objects
      .split('\n')
      .map((line) => line.slice(0, 40))
      .join('\n')}\n`;
    // Bases by id, in a pack that begins at another object than the others.
    const args = ['pack-objects', '--quiet', '--window=20', join(packsOf(several), 'pack')];
    await run('git', args, { cwd: several, input: names });
  }
  const names = await readdir(packsOf(several));
  expect(names.filter((name) => name.endsWith('.pack')).length).toBeGreaterThan(4);
});

async function open(packs: string): Promise<ObjectReader> {
  const reader = await openReader(packs);
  defer(() => reader.close());
  return reader;
}

/** Ingests what is encoded. @returns the pack's ids, sorted. */
async function idsOfEncoded(reader: ObjectReader, objects: ObjectSet): Promise<string[]> {
  const pack = whole(encodePack(reader, objects));
  expect(whole(encodePack(reader, objects)).equals(pack)).toBe(true);
  const path = await directory();
  const { name } = await ingestPack(inChunks(pack, 100_000), path, LIMITS);
  expect(await indexWithGit(pack)).toEqual(await readFile(join(path, `${name}.idx`)));
  const result = await open(path);
  return idsOf(result, everyObject(result));
}

test('A pack of all objects of one pack has the same bytes', async () => {
  const reader = await open(packsOf(one));
  const pack = whole(encodePack(reader, everyObject(reader)));
  expect(pack.equals(await readFile(await packOf(one)))).toBe(true);
});

test('An object that a pack holds twice is copied once, with deltas of either copy', async () => {
  const [base, same] = [Buffer.from('the base\n'), Buffer.from('the base\n')];
  const delta = (text: string) =>
    makeDelta(base.length, base.length + text.length, [
      { copy: [0, base.length] },
      { insert: text },
    ]);
  const pack = makePack([
    { type: 'blob', body: base },
    { type: 'blob', body: 'something else\n' },
    { type: 'ofs-delta', base: 0, body: delta('one') },
    { type: 'ofs-delta', base: 2, body: makeDelta(12, 9, [{ copy: [0, 9] }]) },
    { type: 'blob', body: same },
    { type: 'ofs-delta', base: 3, body: delta('two') },
    { type: 'ofs-delta', base: 4, body: delta('three') },
  ]);
  const { idx } = await ingest(pack);
  expect(await indexWithGit(pack)).toEqual(idx);
  const reader = await open(await storePack(await directory(), 'pack-twice', { pack, idx }));
  const all = [
    'the base\n',
    'something else\n',
    'the base\none',
    'the base\ntwo',
    'the base\nthree',
  ];
  expect(await idsOfEncoded(reader, everyObject(reader))).toEqual(
    all.map((body) => objectId('blob', Buffer.from(body))).sort(),
  );
});

test('Neither entry of an object that a pack holds twice becomes a delta of itself', async () => {
  const [base, other] = [Buffer.from('the base\n'), Buffer.from('the other\n')];
  const delta = (from: Buffer, to: Buffer) => makeDelta(from.length, to.length, [{ insert: to }]);
  const pack = makePack([
    { type: 'ref-delta', base: objectId('blob', other), body: delta(other, base) },
    { type: 'blob', body: base },
    { type: 'ofs-delta', base: 1, body: delta(base, other) },
  ]);
  const { idx } = await ingest(pack);
  const reader = await open(await storePack(await directory(), 'pack-twice', { pack, idx }));
  const ids = [base, other].map((body) => objectId('blob', body)).sort();
  expect(await idsOfEncoded(reader, everyObject(reader))).toEqual(ids);
});

test('No objects make an empty pack', async () => {
  const reader = await open(packsOf(one));
  const pack = whole(encodePack(reader, new ObjectSet(reader.objectCount)));
  expect(pack.equals(makePack([]))).toBe(true);
});

test('A pack of all objects of several packs has each of them once', async () => {
  const reader = await open(packsOf(several));
  const all = everyObject(reader);
  expect(all.size).toBeLessThan(reader.objectCount);
  const args = ['cat-file', '--batch-all-objects', '--batch-check=%(objectname)'];
  const expected = (await git(several, ...args)).split('\n').sort();
  expect(await idsOfEncoded(reader, all)).toEqual(expected);

  const consolidated = join(await directory(), 'consolidated.git');
  await git('.', 'clone', '--quiet', '--bare', several, consolidated);
  for (const name of await readdir(packsOf(consolidated))) {
    await run('rm', ['-f', join(packsOf(consolidated), name)]);
  }
  const pack = whole(encodePack(reader, all));
  await ingestPack(inChunks(pack, 100_000), packsOf(consolidated), LIMITS);
  expect((await fsck(consolidated)).filter((line) => !/^(dangling|notice)/.test(line))).toEqual([]);
});

describe.each(['one pack', 'several packs'])('A part of the objects of %s', (name) => {
  test.each([1, 2, 3, 4, 5, 6])('is encoded as it was chosen, seed %d', async (seed) => {
    const random = new SeededRandom(seed);
    const reader = await open(packsOf(name === 'one pack' ? one : several));
    const part = new ObjectSet(reader.objectCount);
    const share = 1 + random.below(9);
    for (const number of everyObject(reader)) if (random.below(10) < share) part.add(number);
    expect(await idsOfEncoded(reader, part)).toEqual(idsOf(reader, part));
  });
});

/** A base, a delta of it by id, and one of that by position, in an order of their own. */
const BASE = seededBytes(1, 500);
const base = objectId('blob', BASE);
const middle = objectId('blob', Buffer.concat([seededBytes(2, 10), BASE]));
const last = objectId('blob', Buffer.concat([seededBytes(3, 10), BASE]));

async function readerOf(...packs: PackEntry[][]): Promise<ObjectReader> {
  const path = await directory();
  for (const entries of packs) {
    const made = await ingest(makePack(entries));
    await storePack(path, made.name, made);
  }
  return await open(path);
}

test('A delta whose base comes after it stays a delta', async () => {
  const body = makeDelta(500, 510, [{ insert: seededBytes(2, 10) }, { copy: [0, 500] }]);
  const entries: PackEntry[] = [
    { type: 'ref-delta', base, body },
    { type: 'blob', body: BASE },
  ];
  const reader = await readerOf(entries);
  const pack = whole(encodePack(reader, everyObject(reader)));
  expect(readPack(pack).map(({ typeNumber }) => typeNumber)).toEqual([7, 3]);
  expect(await idsOfEncoded(reader, everyObject(reader))).toEqual([base, middle].sort());
});

test('A delta is written whole when its base is left out, and its own deltas stay deltas', async () => {
  const toMiddle = makeDelta(500, 510, [{ insert: seededBytes(2, 10) }, { copy: [0, 500] }]);
  const toLast = makeDelta(510, 510, [{ insert: seededBytes(3, 10) }, { copy: [10, 500] }]);
  const reader = await readerOf([
    { type: 'blob', body: BASE },
    { type: 'ofs-delta', base: 0, body: toMiddle },
    { type: 'ofs-delta', base: 1, body: toLast },
  ]);
  const part = new ObjectSet(reader.objectCount);
  for (const oid of [middle, last]) part.add(reader.requireNumber(Buffer.from(oid, 'hex')));
  const pack = whole(encodePack(reader, part));
  expect(readPack(pack).map(({ typeNumber }) => typeNumber)).toEqual([3, 6]);
  expect(await idsOfEncoded(reader, part)).toEqual([middle, last].sort());
});

test('Deltas whose base is left out become deltas of each other', async () => {
  const toMiddle = makeDelta(500, 510, [{ insert: seededBytes(2, 10) }, { copy: [0, 500] }]);
  const toLast = makeDelta(500, 510, [{ insert: seededBytes(3, 10) }, { copy: [0, 500] }]);
  const reader = await readerOf([
    { type: 'blob', body: BASE },
    { type: 'ofs-delta', base: 0, body: toMiddle },
    { type: 'ofs-delta', base: 0, body: toLast },
  ]);
  const part = new ObjectSet(reader.objectCount);
  for (const oid of [middle, last]) part.add(reader.requireNumber(Buffer.from(oid, 'hex')));
  const entries = readPack(whole(encodePack(reader, part)));
  expect(entries.map(({ typeNumber, base }) => [typeNumber, base])).toEqual([
    [3, undefined],
    [6, 12],
  ]);
  expect(await idsOfEncoded(reader, part)).toEqual([middle, last].sort());
});

test('A damaged object is passed on, and the ingest of the pack fails', async () => {
  const path = await directory();
  const pack = await readFile(await packOf(one));
  const idx = await readFile((await packOf(one)).replace(/pack$/, 'idx'));
  const at = Math.floor(pack.length / 2);
  pack.writeUInt8(pack.readUInt8(at) ^ 0xff, at);
  await storePack(path, 'pack-damaged', { pack, idx });
  const reader = await open(path);
  const outcome = ingest(whole(encodePack(reader, everyObject(reader))));
  await expect(outcome).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' });
});
