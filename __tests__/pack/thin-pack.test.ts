import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ingestPack } from '../../lib/pack/ingest.js';
import type { ObjectReader } from '../../lib/pack/reader.js';
import { buildRandomHistory } from '../history/random-history.js';
import { openReader, packsOf } from '../history/reading.js';
import { makeDelta } from '../support/delta.js';
import { makePack, type PackEntry } from '../support/hostile-pack.js';
import { objectId } from '../support/object-id.js';
import { openFiles } from '../support/process-resources.js';
import { seededBytes } from '../support/random.js';
import { git, run, runBinary } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { inChunks, ingest, LIMITS } from './ingesting.js';
import { storePack } from './stored-pack.js';

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);

async function open(packs: string): Promise<ObjectReader> {
  const reader = await openReader(packs);
  defer(() => reader.close());
  return reader;
}

/** Ingests a pack with bases from elsewhere. @returns the ids that are in the result, sorted. */
async function complete(pack: Uint8Array, bases: ObjectReader): Promise<string[]> {
  const path = await directory();
  const { name, objects, size } = await ingestPack(inChunks(pack, 5000), path, LIMITS, { bases });
  expect((await readdir(path)).sort()).toEqual([`${name}.idx`, `${name}.pack`]);
  expect(await openFiles(path)).toEqual([]);
  const file = join(path, `${name}.pack`);
  expect((await readFile(file)).length).toBe(size);
  await run('git', ['index-pack', '-o', join(path, 'git.idx'), file]);
  expect(await readFile(join(path, `${name}.idx`))).toEqual(await readFile(join(path, 'git.idx')));
  const listed = await git(path, 'verify-pack', '-v', file);
  const ids = [...listed.matchAll(/^([0-9a-f]{40}) (?:commit|tree|blob|tag) /gm)].map(
    ([, id = '']) => id,
  );
  expect(ids).toHaveLength(objects);
  return ids.sort();
}

async function failure(pack: Uint8Array, bases: ObjectReader): Promise<unknown> {
  const path = await directory();
  const outcome = await ingestPack(inChunks(pack, 5000), path, LIMITS, { bases }).catch(
    (error: unknown) => error,
  );
  expect(await openFiles(path)).toEqual([]);
  expect((await readdir(path)).filter((name) => name.startsWith('pack-'))).toEqual([]);
  return outcome;
}

const invalid = expect.objectContaining({ code: 'UPSTREAM_INVALID' });

describe('An ingest completes a thin pack of git', () => {
  let repository: string;
  let commits: readonly string[];
  beforeAll(async () => {
    repository = join(await shared.directory(), 'random.git');
    ({ commits } = await buildRandomHistory(repository, 21, 150));
  });

  test.each([
    [50, '--delta-base-offset'],
    [50, '--no-delta-base-offset'],
    [100, '--delta-base-offset'],
    [140, '--no-delta-base-offset'],
  ])('since commit %d with %s', async (since, option) => {
    const revisions = `${commits[149]}\n^${commits[since]}\n`;
    const args = ['pack-objects', '--thin', '--revs', '--stdout', '--quiet', '--window=50', option];
    const pack = await runBinary('git', args, { cwd: repository, input: revisions });
    const other = join(await directory(), 'other.git');
    await git('.', 'init', '--quiet', '--bare', other);
    await git(repository, 'push', '--quiet', other, `${commits[since]}:refs/heads/main`);
    await git(other, 'repack', '--quiet', '-ad');
    const fixed = await run('git', ['index-pack', '--stdin', '--fix-thin'], {
      cwd: other,
      input: pack,
    });
    const listed = await git(
      other,
      'verify-pack',
      '-v',
      join(packsOf(other), `pack-${fixed.trim().slice(-40)}.pack`),
    );
    const expected = [...listed.matchAll(/^([0-9a-f]{40}) \w+ /gm)].map(([, id = '']) => id).sort();
    expect(expected.length).toBeGreaterThan(pack.readUInt32BE(8));
    expect(await complete(pack, await open(packsOf(repository)))).toEqual(expected);
    await expect(ingest(pack)).rejects.toEqual(invalid);
  });
});

const body = (n: number) => Buffer.concat([Buffer.from(`object ${n}\n`), seededBytes(0, 300)]);
const id = (n: number) => objectId('blob', body(n));
const whole = (n: number): PackEntry => ({ type: 'blob', body: body(n) });
const delta = (n: number, baseSize = 309) =>
  makeDelta(baseSize, 309, [{ insert: body(n).subarray(0, 9) }, { copy: [9, 300] }]);
const byId = (base: number, n: number): PackEntry => ({
  type: 'ref-delta',
  base: id(base),
  body: delta(n),
});
const byOffset = (base: number, n: number): PackEntry => ({
  type: 'ofs-delta',
  base,
  body: delta(n),
});
const ids = (...numbers: number[]) => numbers.map(id).sort();

/** A reader of these objects. */
async function basesOf(...numbers: number[]): Promise<ObjectReader> {
  const made = await ingest(makePack(numbers.map(whole)));
  return await open(await storePack(await directory(), made.name, made));
}

describe('An ingest completes', () => {
  test.each<[string, PackEntry[], number[], number[]]>([
    ['one delta', [byId(1, 2)], [1], [1, 2]],
    ['a chain by ids', [byId(1, 2), byId(2, 3), byId(3, 4)], [1], [1, 2, 3, 4]],
    ['a chain by ids, backwards', [byId(3, 4), byId(2, 3), byId(1, 2)], [1], [1, 2, 3, 4]],
    [
      'a chain by positions below one',
      [byId(1, 2), byOffset(0, 3), byOffset(1, 4)],
      [1],
      [1, 2, 3, 4],
    ],
    ['several deltas of one base', [byId(1, 2), byId(1, 3), whole(4)], [1, 9], [1, 2, 3, 4]],
    [
      'deltas of bases inside and outside',
      [whole(5), byId(5, 6), byId(1, 2)],
      [1, 5],
      [1, 2, 5, 6],
    ],
    ['a chain whose middle is elsewhere as well', [byId(1, 2), byId(2, 3)], [1, 2], [1, 2, 3]],
    ['the same, backwards', [byId(2, 3), byId(1, 2)], [1, 2], [1, 2, 3]],
    ['the same, below it', [byId(2, 3), byId(1, 2), byId(3, 4)], [1, 2, 3], [1, 2, 3, 4]],
  ])('%s', async (_, entries, bases, result) => {
    const reader = await basesOf(...bases);
    expect(await complete(makePack(entries), reader)).toEqual(ids(...result));
  });

  test('a pack that is complete without any base', async () => {
    const pack = makePack([whole(1), byId(1, 2)]);
    expect(await complete(pack, await basesOf(1))).toEqual(ids(1, 2));
  });
});

describe('An ingest refuses', () => {
  test.each<[string, PackEntry[], number[]]>([
    ['a base that nobody has', [byId(1, 2)], [9]],
    ['one of two bases that nobody has', [byId(1, 2), byId(3, 4)], [1]],
    ['a base of another size', [{ type: 'ref-delta', base: id(1), body: delta(2, 300) }], [1]],
    ['a circle', [byId(1, 2), byId(2, 1)], [9]],
    ['a circle of which all is elsewhere', [byId(1, 2), byId(2, 1)], [1, 2]],
    ['a delta of itself', [byId(1, 1)], [1]],
    ['a base of deltas twice', [byId(1, 2), whole(2), byId(2, 3)], [1]],
  ])('%s', async (_, entries, bases) => {
    expect(await failure(makePack(entries), await basesOf(...bases))).toEqual(invalid);
  });
});

test('An ingest of a thin pack counts the bases that it adds against the limits', async () => {
  const bases = await basesOf(1);
  const pack = makePack([byId(1, 2)]);
  const limits = { ...LIMITS, maxObjects: 1 };
  const outcome = ingestPack(inChunks(pack, 5000), await directory(), limits, { bases });
  await expect(outcome).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
});
