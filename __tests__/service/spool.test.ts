import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { SnapshotError } from '../../lib/errors.js';
import { Spool } from '../../lib/service/spool.js';
import { openFiles } from '../support/process-resources.js';
import { SeededRandom, seededBytes } from '../support/random.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const MIB = 1024 * 1024;
const CONTENT = seededBytes('spool', 3 * MIB + 12_345);

let scratch: string;
let path: string;
let spool: Spool;
let writer: FileHandle;
let size: number;
/** Whether the owner has yet to give it up. */
let isOwned: boolean;

beforeEach(async () => {
  scratch = await directory();
  path = join(scratch, 'growing');
  spool = await Spool.create(path);
  defer(giveUp);
  isOwned = true;
  writer = await open(path, 'r+');
  defer(() => writer.close());
  size = 0;
});

/** Idempotent. */
async function giveUp(): Promise<void> {
  if (!isOwned) return;
  isOwned = false;
  await spool.release();
}

/** Appends the next bytes, as the writing thread does, and announces them. */
async function grow(bytes: number): Promise<void> {
  const piece = CONTENT.subarray(size, size + bytes);
  await writer.write(piece, 0, piece.length, size);
  size += piece.length;
  spool.advance(size);
}

/** Completes the file with its present bytes. */
async function finish(): Promise<void> {
  await grow(CONTENT.length);
  spool.complete(size);
}

function createReader(signal?: AbortSignal, from = spool): Readable {
  const reader = from.createReader(signal);
  if (reader === undefined) throw new Error('the spool is closed');
  defer(() => closed(reader.destroy()));
  return reader;
}

async function closed(reader: Readable): Promise<void> {
  if (!reader.closed) await once(reader, 'close');
}

async function take(reader: Readable, bytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let wanted = bytes; wanted > 0; ) {
    const piece: Buffer | null = reader.read(Math.min(wanted, reader.readableLength || 1));
    if (piece === null) {
      await once(reader, 'readable');
      continue;
    }
    pieces.push(piece);
    wanted -= piece.length;
  }
  return Buffer.concat(pieces);
}

/** The digest of `before` and the rest of a body: the bodies of many readers would not fit into memory. */
async function digestOf(reader: Readable, before: Uint8Array = Buffer.alloc(0)): Promise<string> {
  const hash = createHash('sha1').update(before);
  for await (const piece of reader) hash.update(piece);
  return hash.digest('hex');
}

/** All descriptors of the file but the writer's. */
async function openByReaders(): Promise<number> {
  return (await openFiles(scratch)).length - 1;
}

test('A spool does not replace a file', async () => {
  await expect(Spool.create(path)).rejects.toThrow('EEXIST');
});

describe('Every reader gets every byte', () => {
  test('while the file grows, at any speed', async () => {
    const random = new SeededRandom(1);
    const digests = Array.from({ length: 40 }, () => digestOf(createReader()));
    const slow = createReader();
    const slowly = take(slow, 1000).then((start) => digestOf(slow, start));
    while (size < CONTENT.length) {
      await grow(1 + random.below(300_000));
      digests.push(digestOf(createReader()));
    }
    spool.complete(size);
    digests.push(slowly, digestOf(createReader()));
    expect(digests.length).toBeGreaterThan(50);
    const expected = createHash('sha1').update(CONTENT).digest('hex');
    expect(new Set(await Promise.all(digests))).toEqual(new Set([expected]));
  });

  test('of a complete file that its owner has released', async () => {
    const early = createReader();
    await finish();
    await giveUp();
    const late = createReader();
    expect((await buffer(late)).equals(CONTENT)).toBe(true);
    expect((await buffer(early)).equals(CONTENT)).toBe(true);
  });

  test('of an empty file', async () => {
    const reader = buffer(createReader());
    spool.complete(0);
    expect(await reader).toHaveLength(0);
  });

  test('after the file was renamed or removed', async () => {
    const [one, other] = [createReader(), createReader()];
    await grow(MIB);
    expect((await take(one, 10)).equals(CONTENT.subarray(0, 10))).toBe(true);
    await rename(path, join(scratch, 'elsewhere'));
    await finish();
    expect((await buffer(other)).equals(CONTENT)).toBe(true);
    await rename(join(scratch, 'elsewhere'), path);
    await spool.remove();
    await spool.remove();
    await expect(stat(path)).rejects.toThrow('ENOENT');
    expect((await buffer(one)).equals(CONTENT.subarray(10))).toBe(true);
  });
});

test('A reader reads no further than the bytes that were announced', async () => {
  const reader = createReader();
  await writer.write(CONTENT, 0, 5000, 0);
  spool.advance(100);
  expect((await take(reader, 100)).equals(CONTENT.subarray(0, 100))).toBe(true);
  const next = once(reader, 'readable');
  expect(reader.read()).toBeNull();
  spool.advance(150);
  await next;
  expect((await take(reader, 50)).equals(CONTENT.subarray(100, 150))).toBe(true);
});

test('A reader without a consumer takes little memory and slows no other reader', async () => {
  const idle = createReader();
  idle.read(0);
  const body = buffer(createReader());
  await finish();
  expect((await body).equals(CONTENT)).toBe(true);
  expect(idle.readableLength).toBeLessThanOrEqual(MIB);
});

describe('When writing fails,', () => {
  const failure = new SnapshotError('STORAGE_FULL', 'no space left');

  test('every reader fails after it has read the present bytes', async () => {
    await grow(MIB);
    const readers = [createReader(), createReader()];
    const start = await take(readers[0] ?? never(), 100);
    spool.fail(failure);
    readers.push(createReader());
    for (const [i, reader] of readers.entries()) {
      const pieces: Buffer[] = i === 0 ? [start] : [];
      const reading = (async () => {
        for await (const piece of reader) pieces.push(piece);
      })();
      await expect(reading).rejects.toBe(failure);
      expect(Buffer.concat(pieces).equals(CONTENT.subarray(0, MIB))).toBe(true);
    }
  });

  test('readers that wait fail at once', async () => {
    const waiting = Array.from({ length: 20 }, () => buffer(createReader()));
    const outcomes = Promise.allSettled(waiting);
    spool.fail(failure);
    for (const outcome of await outcomes)
      expect(outcome).toEqual({ status: 'rejected', reason: failure });
  });

  test('the first failure counts; a failure after completion does not', async () => {
    spool.fail(failure);
    spool.fail(new SnapshotError('INTERNAL', 'later'));
    await expect(buffer(createReader())).rejects.toBe(failure);
    const complete = await Spool.create(join(scratch, 'complete'));
    complete.complete(0);
    complete.fail(failure);
    expect(await buffer(createReader(undefined, complete))).toHaveLength(0);
    await complete.release();
  });

  test('a file that was cut off is noticed', async () => {
    await grow(MIB);
    await writer.truncate(1000);
    spool.complete(size);
    await expect(buffer(createReader())).rejects.toEqual(
      expect.objectContaining({ code: 'INTERNAL' }),
    );
  });
});

describe('A reader that is stopped', () => {
  test('by its signal fails, whether it waits or reads, and the others go on', async () => {
    const stop = new AbortController();
    const waiting = buffer(createReader(stop.signal));
    const aborted = expect(waiting).rejects.toThrow(
      expect.objectContaining({ name: 'AbortError' }),
    );
    const other = buffer(createReader());
    stop.abort();
    await aborted;
    await expect(buffer(createReader(stop.signal))).rejects.toThrow();
    await finish();
    expect((await other).equals(CONTENT)).toBe(true);
  });

  test('by destroying it ends without an error', async () => {
    const [waiting, reading] = [createReader(), createReader()];
    waiting.read(0);
    await grow(MIB);
    await take(reading, 10);
    for (const reader of [waiting, reading]) {
      reader.destroy();
      await once(reader, 'close');
      expect(reader.errored).toBeNull();
    }
  });
});

describe('The file of a spool is closed', () => {
  test('once the owner and the last reader are done', async () => {
    const [one, other] = [createReader(), createReader()];
    expect(await openByReaders()).toBe(1);
    await finish();
    await giveUp();
    await buffer(one);
    expect(await openByReaders()).toBe(1);
    await buffer(other);
    await closed(other);
    expect(await openByReaders()).toBe(0);
  });

  test('when the last reader fails or is stopped', async () => {
    const readers = [createReader(), createReader(), createReader()];
    await grow(MIB);
    await giveUp();
    spool.fail(new SnapshotError('INTERNAL', 'failed'));
    for (const [i, reader] of readers.entries()) {
      if (i === 0) reader.destroy();
      else await buffer(reader).catch(() => {});
      await closed(reader);
    }
    expect(await openByReaders()).toBe(0);
  });

  test('when the owner releases it and there is no reader', async () => {
    await giveUp();
    expect(await openByReaders()).toBe(0);
    // A reader that comes now gets `undefined`, not a closed file.
    expect(spool.createReader()).toBeUndefined();
  });
});

function never(): never {
  throw new Error('unreachable');
}
