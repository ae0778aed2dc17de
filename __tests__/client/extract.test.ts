import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { create } from 'tar';
import {
  type ExtractOptions,
  type ExtractProgress,
  extractSnapshot,
  SnapshotError,
} from '../../lib/client/index.js';
import { seededBytes } from '../support/random.js';
import { cleanup } from '../support/temporary-directory.js';
import { rawFrame, withDigest } from './archives.js';

type Bytes = AsyncIterable<Uint8Array>;

const { directory } = cleanup(afterEach);
const shared = cleanup(afterAll);
const CONTENT = seededBytes('extract', 3 * 1024 * 1024);
let archive: Buffer;
/** Of the target; nothing is to be left in it. */
let parent: string;

beforeAll(async () => {
  const tree = await shared.directory();
  await writeFile(join(tree, 'large'), CONTENT);
  archive = withDigest(rawFrame(await create({ cwd: tree }, ['.']).concat()));
});

beforeEach(async () => {
  parent = await directory();
});

function extract(stream: Bytes, options?: ExtractOptions) {
  return extractSnapshot(stream, join(parent, 'new/target'), options);
}

async function expectFailure(extracting: Promise<unknown>, error: object): Promise<void> {
  await expect(extracting).rejects.toMatchObject({ name: 'SnapshotError', ...error });
  expect(await readdir(parent)).toEqual([]);
}

/** Streams that send these chunks and then nothing; `ended` resolves when the stream was ended. */
const STALLING: [string, (...chunks: Buffer[]) => { stream: Bytes; ended: Promise<unknown> }][] = [
  [
    'a Readable',
    (...chunks) => {
      const read = () => {
        const chunk = chunks.shift();
        if (chunk) stream.push(chunk);
      };
      const stream = new Readable({ read });
      return { stream, ended: once(stream, 'close') };
    },
  ],
  [
    'a web stream',
    (...chunks) => {
      const { promise, resolve } = resolvable();
      const start = (controller: ReadableStreamDefaultController) => {
        for (const chunk of chunks) controller.enqueue(chunk);
      };
      return { stream: new ReadableStream({ start, cancel: resolve }), ended: promise };
    },
  ],
  [
    'another iterable',
    (...chunks) => {
      const { promise, resolve } = resolvable();
      const next = () => {
        const value = chunks.shift();
        return value ? Promise.resolve({ done: false, value }) : new Promise<never>(() => {});
      };
      const end = async () => {
        resolve();
        return { done: true as const, value: undefined };
      };
      const stream: Bytes = { [Symbol.asyncIterator]: () => ({ next, return: end }) };
      return { stream, ended: promise };
    },
  ],
];

function resolvable() {
  let resolve = () => {};
  const promise = new Promise<void>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}

describe('A snapshot is extracted from', () => {
  test.each<[string, () => Promise<Bytes>]>([
    [
      'a file',
      async () => {
        const file = join(await directory(), 'snapshot.tar.zst');
        await writeFile(file, archive);
        return createReadStream(file);
      },
    ],
    ['the body of a Response', async () => new Response(archive).body ?? Readable.from([])],
    ['a generator of small chunks', async () => chunksOf(archive, 1000)],
  ])('%s', async (_, open) => {
    const calls: ExtractProgress[] = [];
    const result = await extract(await open(), { onProgress: (progress) => calls.push(progress) });
    expect(result).toEqual({ receivedBytes: archive.length, files: 1, verified: true });
    expect(calls[0]).toEqual({ receivedBytes: 0, files: 0 });
    expect(calls.at(-1)).toEqual({ receivedBytes: archive.length, files: 1 });
    expect(calls.length).toBeGreaterThanOrEqual(4);
    expect((await readFile(join(parent, 'new/target/large'))).equals(CONTENT)).toBe(true);
    expect(await readdir(join(parent, 'new'))).toEqual(['target']);
  });

  async function* chunksOf(bytes: Buffer, size: number) {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
});

describe.each(STALLING)('When %s sends no more', (_, open) => {
  test('an abort ends the stream, rejects with its own reason and leaves no file', async () => {
    const { stream, ended } = open(archive.subarray(0, archive.length >> 1));
    const aborter = new AbortController();
    const reason = new Error('enough');
    const extracting = extract(stream, {
      signal: aborter.signal,
      onProgress: ({ receivedBytes }) => {
        if (receivedBytes > 0) setImmediate(() => aborter.abort(reason));
      },
    });
    await expect(extracting).rejects.toBe(reason);
    expect(await readdir(parent)).toEqual([]);
    await ended;
  });

  test('an archive that is already known to be invalid is refused at once', async () => {
    // Of the latest chunk, the end may be the digest. Larger chunks are not joined by a Readable.
    const { stream, ended } = open(seededBytes('noise', 100_000), Buffer.alloc(100_000));
    await expectFailure(extract(stream), { code: 'ARCHIVE_INVALID' });
    await ended;
  });

  test('a target that is not empty is refused, and the stream is ended', async () => {
    const { stream, ended } = open(archive);
    await mkdir(join(parent, 'full/of'), { recursive: true });
    const extracting = extractSnapshot(stream, join(parent, 'full'));
    await expect(extracting).rejects.toMatchObject({ code: 'TARGET_NOT_EMPTY' });
    expect(await readdir(parent)).toEqual(['full']);
    await ended;
  });

  test('a wrong limit is refused, and the stream is ended', async () => {
    const { stream, ended } = open(archive);
    await expectFailure(extract(stream, { maxEntries: -1 }), { code: 'INVALID_OPTIONS' });
    await ended;
  });

  test('a signal that has aborted before ends the stream', async () => {
    const { stream, ended } = open(archive);
    const extracting = extract(stream, { signal: AbortSignal.abort('too late') });
    await expect(extracting).rejects.toBe('too late');
    expect(await readdir(parent)).toEqual([]);
    await ended;
  });
});

test('An abort when all is written leaves no file', async () => {
  let calls = 0;
  await extract(Readable.from([archive]), { onProgress: () => calls++ });
  const aborter = new AbortController();
  const reason = new Error('at the last moment');
  const onProgress = () => {
    if (--calls === 0) aborter.abort(reason);
  };
  const target = join(parent, 'other');
  const options = { signal: aborter.signal, onProgress };
  const extracting = extractSnapshot(Readable.from([archive]), target, options);
  await expect(extracting).rejects.toBe(reason);
  expect(await readdir(parent)).toEqual(['new']);
});

test('When the promise of onProgress rejects, the call fails and leaves no file', async () => {
  const cause = new Error('from the caller');
  const onProgress = async () => {
    throw cause;
  };
  const extracting = extract(Readable.from([archive]), { onProgress });
  await expectFailure(extracting, { code: 'INTERNAL', cause });
});

test('An abort ends the wait for a promise of onProgress', async () => {
  const aborter = new AbortController();
  const reason = new Error('no longer wanted');
  const onProgress = () => {
    setImmediate(() => aborter.abort(reason));
    return new Promise<void>(() => {});
  };
  const extracting = extract(Readable.from([archive]), { signal: aborter.signal, onProgress });
  await expect(extracting).rejects.toBe(reason);
  expect(await readdir(parent)).toEqual([]);
});

test('A snapshot over a limit is refused', async () => {
  const tooLarge = extract(Readable.from([archive]), { maxBytes: CONTENT.length - 1 });
  await expectFailure(tooLarge, { code: 'LIMIT_EXCEEDED' });
});

test('A damaged snapshot is refused', async () => {
  const damaged = Buffer.from(archive);
  damaged.writeUInt8(damaged.readUInt8(1_000_000) ^ 1, 1_000_000);
  await expectFailure(extract(Readable.from([damaged])), { code: 'ARCHIVE_INVALID' });
});

describe('The error of a stream', () => {
  test('is the cause of a failed download, also before the first read', async () => {
    const missing = createReadStream(join(parent, 'no-such-file'));
    await expectFailure(extract(missing), {
      code: 'DOWNLOAD_FAILED',
      message: 'the stream broke off after 0 bytes',
      status: undefined,
      cause: { code: 'ENOENT' },
    });
  });

  test('is thrown as it is if it is a SnapshotError', async () => {
    const error = new SnapshotError('LIMIT_EXCEEDED', 'from the service');
    const failing = (async function* () {
      yield archive.subarray(0, 1000);
      throw error;
    })();
    await expect(extract(failing)).rejects.toBe(error);
    expect(await readdir(parent)).toEqual([]);
  });
});

test.each<[string, unknown]>([
  ['nothing', null],
  ['a buffer', Buffer.alloc(1)],
  ['a stream of text', Readable.from(['text'])],
])('%s is refused in place of a stream of bytes', async (_, stream) => {
  await expectFailure(extract(stream as Bytes), { code: 'INVALID_OPTIONS' });
});
