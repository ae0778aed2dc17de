import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { decompress } from 'fzstd';
import { ArchiveFile } from '../../lib/archive/archive-file.js';
import { DIGEST_FRAME_BYTES, decodeDigestFrame } from '../../lib/archive/digest-frame.js';
import { loadZstdEncoder, RAW_BLOCK_BYTES } from '../../lib/archive/zstd.js';
import { openFiles } from '../support/process-resources.js';
import { seededBytes } from '../support/random.js';
import { run, runBinary } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const MIB = 1024 * 1024;
const MTIME = 1_700_000_000;

let path: string;
let archive: ArchiveFile;
let written: number[];

beforeEach(async () => {
  path = join(await directory(), 'snapshot.tar.zst');
  await writeFile(path, '');
  written = [];
  archive = new ArchiveFile(path, await loadZstdEncoder(1), (bytes) => written.push(bytes));
  defer(() => archive.close());
});

const entry = (name: string, size: number) =>
  ({ path: `./${name}`, kind: 'file', mode: 0o644, mtime: MTIME, size }) as const;

const directoryEntry = (name: string) =>
  ({ path: `./${name}`, kind: 'directory', mode: 0o755, mtime: MTIME }) as const;

function addIncompressible(name: string, content: Buffer): void {
  archive.addIncompressible(entry(name, content.length), (target, offset) => {
    expect(content.copy(target, 0, offset)).toBe(target.length);
  });
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

test('what goes in comes out, in its order', async () => {
  const contents: Record<string, Buffer> = {
    small: Buffer.from('small\n'),
    empty: Buffer.alloc(0),
    block: Buffer.alloc(512, 'b'),
    large: Buffer.from('several frames\n'.repeat(200_000)),
    streamed: seededBytes('streamed', 3 * MIB + 1),
    'empty-stream': Buffer.alloc(0),
  };
  archive.add(directoryEntry(''));
  for (const [name, content] of Object.entries(contents)) {
    if (name.includes('stream')) {
      await archive.addStream(entry(name, content.length), pieces(content, 300_000));
    } else {
      archive.add(entry(name, 0), content);
    }
  }
  for (const size of [0, 1, RAW_BLOCK_BYTES - 1, RAW_BLOCK_BYTES, 8 * RAW_BLOCK_BYTES, 3 * MIB]) {
    contents[`raw-${size}`] = seededBytes(size, size);
    addIncompressible(`raw-${size}`, seededBytes(size, size));
  }
  archive.add(directoryEntry('last/'));
  archive.finish();
  const { names, read } = await unpack();
  expect(names).toEqual(['./', ...Object.keys(contents).map((name) => `./${name}`), './last/']);
  for (const [name, content] of Object.entries(contents)) {
    expect([name, (await read(name)).equals(content)]).toEqual([name, true]);
  }
});

test('an archive of nothing is one that tar takes', async () => {
  archive.finish();
  expect(
    await run('tar', ['-tf', '-'], { input: await runBinary('zstd', ['-dc', '-q', path]) }),
  ).toBe('');
});

test('ends with the digest of all bytes before', async () => {
  archive.add(entry('a', 0), Buffer.from('content\n'));
  addIncompressible('b', seededBytes('b', 200_000));
  const size = archive.finish();
  const bytes = await readFile(path);
  expect(bytes).toHaveLength(size);
  const before = bytes.subarray(0, -DIGEST_FRAME_BYTES);
  expect(decodeDigestFrame(bytes.subarray(-DIGEST_FRAME_BYTES))).toEqual(
    createHash('sha256').update(before).digest(),
  );
});

test('tells how many bytes lie in the file, each time that they do', async () => {
  const sizes: number[] = [];
  archive.close();
  archive = new ArchiveFile(path, await loadZstdEncoder(1), (bytes) => sizes.push(bytes));
  addIncompressible('raw', seededBytes('raw', 4 * MIB));
  archive.add(entry('a', 0), Buffer.alloc(3 * MIB, 'text'));
  const size = archive.finish();
  expect(sizes.length).toBeGreaterThan(6);
  expect(sizes).toEqual([...new Set(sizes)].sort((a, b) => a - b));
  expect(sizes.at(-1)).toBe(size);
});

test('gives the same bytes for the same entries, however they come', async () => {
  const content = seededBytes('same', 2 * MIB + 77);
  await archive.addStream(entry('same', content.length), pieces(content, 1000));
  archive.finish();
  const other = join(await directory(), 'other');
  await writeFile(other, '');
  const again = new ArchiveFile(other, await loadZstdEncoder(1), () => {});
  again.add(entry('same', 0), content);
  again.finish();
  again.close();
  expect((await readFile(other)).equals(await readFile(path))).toBe(true);
});

describe('a stream', () => {
  test.each([99, 101])('of %d bytes where 100 were announced is refused', async (size) => {
    const stream = archive.addStream(entry('stream', 100), pieces(Buffer.alloc(size), 10));
    await expect(stream).rejects.toThrow(RangeError);
  });

  test('that fails makes the archive fail', async () => {
    const failure = new Error('the pack is damaged');
    async function* failing(): AsyncGenerator<Buffer> {
      yield Buffer.alloc(50);
      throw failure;
    }
    await expect(archive.addStream(entry('stream', 100), failing())).rejects.toBe(failure);
  });
});

test('closes its file, once', async () => {
  expect(await openFiles(path)).toEqual([path]);
  archive.close();
  archive.close();
  expect(await openFiles(path)).toEqual([]);
});
