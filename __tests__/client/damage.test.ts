/** @needs zstd tar */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DIGEST_FRAME_BYTES, encodeDigestFrame } from '../../lib/archive/digest-frame.js';
import { restoreSnapshot } from '../../lib/client/index.js';
import { SeededRandom, seededBytes } from '../support/random.js';
import { cleanup } from '../support/temporary-directory.js';
import { serveArchives } from './archive-server.js';
import { rawFrame, tarOf, withDigest, zstd, zstdFrames } from './archives.js';

/*
 * The server sends every damaged archive as if it were complete, with the right length: only the client can
 * notice the damage.
 */

const { directory, defer } = cleanup(afterAll);
let server: Awaited<ReturnType<typeof serveArchives>>;
/** Of the target; empty between tests. */
let parent: string;
let tar: Buffer;

beforeAll(async () => {
  server = await serveArchives({ defer });
  parent = await directory();
  const tree = await directory();
  await mkdir(join(tree, 'sub'));
  await writeFile(join(tree, 'sub/compressible'), 'line after line\n'.repeat(2000));
  await writeFile(join(tree, 'sub/random'), seededBytes('damage', 20_000));
  tar = await tarOf(tree);
});

async function restore(archive: Buffer, chunked = false) {
  Object.assign(server.answer, { body: archive, chunked });
  return restoreSnapshot({ url: server.url, directory: join(parent, 'target'), retryTimeout: 0 });
}

async function expectRefused(archive: Buffer): Promise<void> {
  for (const chunked of [false, true]) {
    await expect(restore(archive, chunked)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    expect(await readdir(parent)).toEqual([]);
  }
}

/** Compressed and raw frames in a row and a digest, as this library's own snapshots are. */
async function snapshot(): Promise<{ archive: Buffer; frames: Buffer[] }> {
  const half = tar.length >> 1;
  const frames = [
    await zstd(tar.subarray(0, half), '-1'),
    rawFrame(tar.subarray(half, half + 9000)),
    await zstd(tar.subarray(half + 9000), '-1', '--no-check'),
  ];
  return { archive: withDigest(Buffer.concat(frames)), frames };
}

afterEach(() => rm(join(parent, 'target'), { recursive: true, force: true }));

describe('A single flipped bit', () => {
  test('is found at 250 positions of a snapshot', async () => {
    const { archive } = await snapshot();
    const random = new SeededRandom(2024);
    for (let i = 0; i < 250; i++) {
      const damaged = Buffer.from(archive);
      const at = random.below(damaged.length);
      damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << random.below(8)), at);
      await expect(restore(damaged)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    }
    expect(await readdir(parent)).toEqual([]);
  });

  test('is found in every byte of the digest frame', async () => {
    const { archive } = await snapshot();
    const random = new SeededRandom(48);
    for (let at = archive.length - DIGEST_FRAME_BYTES; at < archive.length; at++) {
      const damaged = Buffer.from(archive);
      damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << random.below(8)), at);
      await expect(restore(damaged)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    }
    expect(await readdir(parent)).toEqual([]);
  });
});

describe('A digest', () => {
  test('of other bytes is refused', async () => {
    const { frames } = await snapshot();
    const other = encodeDigestFrame(seededBytes('digest', 32));
    await expectRefused(Buffer.concat([...frames, other]));
  });

  test('must come last', async () => {
    const { archive, frames } = await snapshot();
    await expectRefused(Buffer.concat([archive, ...frames]));
    await expectRefused(withDigest(archive));
  });
});

describe('A snapshot that is cut', () => {
  test('within or between its frames is refused', async () => {
    const { archive, frames } = await snapshot();
    const [first = 0, second = 0] = frames.map(({ length }) => length);
    const cuts = [0, 1, 4, 5, 6, 8, 9, 10, 100, first - 4, first - 1, first, first + 1];
    cuts.push(first + 7, first + second - 1, first + second, archive.length - 49);
    for (const cut of cuts) await expectRefused(archive.subarray(0, cut));
  });

  test('within its digest frame is refused', async () => {
    const { archive } = await snapshot();
    for (let cut = 1; cut < DIGEST_FRAME_BYTES; cut++) {
      await expectRefused(archive.subarray(0, archive.length - cut));
    }
  });

  test('right before its digest frame is restored, but not reported as verified', async () => {
    const { archive } = await snapshot();
    const result = await restore(archive.subarray(0, -DIGEST_FRAME_BYTES));
    expect(result.verified).toBe(false);
    expect(await readdir(join(parent, 'target/sub'))).toEqual(['compressible', 'random']);
  });
});

/* Valid zstd of a tar archive that is cut off or goes on after its end. */
describe('A tar archive', () => {
  const BLOCK = 512;

  /** Offset of the header of an entry. */
  const headerOf = (name: string) => tar.indexOf(`./${name}\0`);
  const endOfArchive = () => tar.indexOf(Buffer.alloc(2 * BLOCK), headerOf('sub/random') + 20_000);

  test.each<[string, () => number]>([
    ['at the start', () => 0],
    ['within the first header', () => 100],
    ['between members', () => headerOf('sub/random')],
    ['within a header', () => headerOf('sub/random') + 300],
    ['between header and body', () => headerOf('sub/random') + BLOCK],
    ['within a body', () => headerOf('sub/random') + BLOCK + 10_000],
    ['within the padding', () => headerOf('sub/random') + BLOCK + 20_001],
    ['after the last member', () => Math.ceil(endOfArchive() / BLOCK) * BLOCK],
    ['after one block of zeros', () => Math.ceil(endOfArchive() / BLOCK) * BLOCK + BLOCK],
  ])('cut %s is refused', async (_, offset) => {
    const cut = tar.subarray(0, offset());
    expect(cut.length).toBeLessThan(tar.length);
    await expectRefused(await zstd(cut));
    await expectRefused(withDigest(await zstd(cut)));
  });

  test('may end with no more than two blocks of zeros', async () => {
    const end = Math.ceil(endOfArchive() / BLOCK) * BLOCK + 2 * BLOCK;
    await restore(await zstdFrames(tar.subarray(0, end), 10_000));
    expect(await readdir(join(parent, 'target/sub'))).toEqual(['compressible', 'random']);
  });

  test('is refused when another one follows it', async () => {
    await expectRefused(await zstd(Buffer.concat([tar, tar])));
  });

  test('is refused with a single block of zeros between members', async () => {
    const at = headerOf('sub/random');
    const parts = [tar.subarray(0, at), Buffer.alloc(BLOCK), tar.subarray(at)];
    await expectRefused(await zstd(Buffer.concat(parts)));
  });

  test('is refused without compression, as any other data are', async () => {
    await expectRefused(tar);
    await expectRefused(seededBytes('noise', 10_000));
    await expectRefused(await zstd(seededBytes('noise', 10_000)));
  });
});
