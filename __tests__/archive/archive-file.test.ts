/** @needs zstd tar */
import { createHash } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decompress } from 'fzstd';
import { ArchiveFile } from '../../lib/archive/archive-file.js';
import {
  loadContentChecksum,
  type NewContentChecksum,
} from '../../lib/archive/content-checksum.js';
import { DIGEST_FRAME_BYTES, decodeDigestFrame } from '../../lib/archive/digest-frame.js';
import { storedEntry } from '../../lib/archive/stored-entry.js';
import { TarFrames } from '../../lib/archive/tar-frames.js';
import { loadZstdEncoder } from '../../lib/archive/zstd.js';
import { MAX_BLOCK_BYTES } from '../../lib/archive/zstd-format.js';
import { openFiles } from '../support/process-resources.js';
import { seededBytes } from '../support/random.js';
import { run, runBinary } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const MIB = 1024 * 1024;
const MTIME = 1_700_000_000;

let path: string;
let archive: ArchiveFile;
let tar: TarFrames;
let newChecksum: NewContentChecksum;

beforeEach(async () => {
  path = join(await directory(), 'snapshot.tar.zst');
  await writeFile(path, '');
  archive = new ArchiveFile(path);
  newChecksum = await loadContentChecksum();
  tar = new TarFrames(await loadZstdEncoder(1), (frame) => archive.write(frame));
  defer(() => archive.close());
});

function finish(): void {
  tar.end();
  archive.finish();
}

const entry = (name: string, size: number) =>
  ({ path: `./${name}`, kind: 'file', mode: 0o644, mtime: MTIME, size }) as const;

const directoryEntry = (name: string) =>
  ({ path: `./${name}`, kind: 'directory', mode: 0o755, mtime: MTIME }) as const;

function addStored(name: string, content: Buffer): void {
  tar.flush();
  const read = (target: Buffer, offset: number) => {
    expect(content.copy(target, 0, offset)).toBe(target.length);
  };
  const pieces = storedEntry(entry(name, content.length), newChecksum(), read);
  for (const piece of pieces) archive.write(piece);
}

async function* pieces(content: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

/** Decodes with the zstd program and gives GNU tar's view of it. */
async function unpack(): Promise<{ names: string[]; read: (name: string) => Promise<Buffer> }> {
  const target = await directory();
  const tar = await runBinary('zstd', ['-dc', '-q', path]);
  expect(Buffer.from(decompress(await readFile(path))).equals(tar)).toBe(true);
  await run('tar', ['-xpf', '-', '-C', target], { input: tar });
  const names = (await run('tar', ['-tf', '-'], { input: tar })).trimEnd().split('\n');
  return { names, read: (name) => readFile(join(target, name)) };
}

test('zstd and tar read the entries in the order in which they were written', async () => {
  const contents: Record<string, Buffer> = {
    small: Buffer.from('small\n'),
    empty: Buffer.alloc(0),
    block: Buffer.alloc(512, 'b'),
    large: Buffer.from('several frames\n'.repeat(200_000)),
    streamed: seededBytes('streamed', 3 * MIB + 1),
    'empty-stream': Buffer.alloc(0),
  };
  tar.add(directoryEntry(''));
  for (const [name, content] of Object.entries(contents)) {
    if (name.includes('stream')) {
      await tar.addStream(entry(name, content.length), pieces(content, 300_000));
    } else {
      tar.add(entry(name, 0), content);
    }
  }
  for (const size of [0, 1, MAX_BLOCK_BYTES - 1, MAX_BLOCK_BYTES, 8 * MAX_BLOCK_BYTES, 3 * MIB]) {
    contents[`raw-${size}`] = seededBytes(size, size);
    addStored(`raw-${size}`, seededBytes(size, size));
  }
  tar.add(directoryEntry('last/'));
  finish();
  const { names, read } = await unpack();
  expect(names).toEqual(['./', ...Object.keys(contents).map((name) => `./${name}`), './last/']);
  for (const [name, content] of Object.entries(contents)) {
    expect([name, (await read(name)).equals(content)]).toEqual([name, true]);
  }
});

test('tar reads an archive without entries', async () => {
  finish();
  expect(
    await run('tar', ['-tf', '-'], { input: await runBinary('zstd', ['-dc', '-q', path]) }),
  ).toBe('');
});

test('An archive ends with the digest of all bytes before it', async () => {
  tar.add(entry('a', 0), Buffer.from('content\n'));
  addStored('b', seededBytes('b', 200_000));
  finish();
  const bytes = await readFile(path);
  expect(bytes).toHaveLength(archive.size);
  const before = bytes.subarray(0, -DIGEST_FRAME_BYTES);
  expect(decodeDigestFrame(bytes.subarray(-DIGEST_FRAME_BYTES))).toEqual(
    createHash('sha256').update(before).digest(),
  );
});

test('An archive knows the size of its file at any time', async () => {
  expect(archive.size).toBe(0);
  for (const bytes of [1000, 1, 2 * MIB]) {
    archive.write(seededBytes(bytes, bytes));
    expect(archive.size).toBe((await stat(path)).size);
  }
});

test('The same entries give the same frames, whether they come whole or in pieces', async () => {
  const content = seededBytes('same', 2 * MIB + 77);
  const encoder = await loadZstdEncoder(1);
  const whole: Uint8Array[] = [];
  const streamed: Uint8Array[] = [];
  const first = new TarFrames(encoder, (frame) => whole.push(frame));
  first.add(entry('same', 0), content);
  first.end();
  const second = new TarFrames(encoder, (frame) => streamed.push(frame));
  await second.addStream(entry('same', content.length), pieces(content, 1000));
  second.end();
  expect(whole.length).toBe(3);
  expect(streamed.length).toBe(3);
  expect(Buffer.concat(streamed).equals(Buffer.concat(whole))).toBe(true);
});

test('A file that is stored uncompressed costs three bytes more for each block, and a few for the rest', async () => {
  const content = Buffer.alloc(8 * MAX_BLOCK_BYTES, 'would compress');
  addStored('stored', content);
  expect(archive.size - content.length).toBeLessThan(512 + 14 + 10 * 3 + 4);
});

describe('A stream', () => {
  test.each([99, 101])('of %d bytes where 100 were announced is refused', async (size) => {
    const stream = tar.addStream(entry('stream', 100), pieces(Buffer.alloc(size), 10));
    await expect(stream).rejects.toThrow(RangeError);
  });

  test('that fails makes the archive fail', async () => {
    const failure = new Error('the pack is damaged');
    async function* failing(): AsyncGenerator<Buffer> {
      yield Buffer.alloc(50);
      throw failure;
    }
    await expect(tar.addStream(entry('stream', 100), failing())).rejects.toBe(failure);
  });
});

test('An archive that is closed twice closes its file once', async () => {
  expect(await openFiles(path)).toEqual([path]);
  archive.close();
  archive.close();
  expect(await openFiles(path)).toEqual([]);
});
