import { closeSync, openSync, readSync } from 'node:fs';
import { open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { decompress } from 'fzstd';
import { Parser } from 'tar';
import { ObjectMemory } from '../../lib/pack/object-memory.js';
import { ResolverPool } from '../../lib/pack/resolver-pool.js';
import { WorkerPool } from '../../lib/workers/pool.js';
import { threadScript } from '../../lib/workers/start-thread.js';
import { type CheckoutPool, createCheckoutPool } from '../../lib/writer/checkout-thread.js';
import type { WriteContext, WriteEvent, WriteResult } from '../../lib/writer/write-context.js';
import { type SnapshotTask, writeSnapshot } from '../../lib/writer/write-snapshot.js';
import { packOf } from '../pack/ingesting.js';
import { packOfTree } from '../support/hand-made-tree.js';
import { makePack, type PackEntry } from '../support/hostile-pack.js';
import { buildKitchenSink } from '../support/kitchen-sink.js';
import { commitBody, objectId, treeBody } from '../support/object-id.js';
import { openFiles, threadCount } from '../support/process-resources.js';
import { seededBytes } from '../support/random.js';
import { type Files, RepositoryBuilder } from '../support/repository-builder.js';
import { git } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { makeMirror } from './hand-made-mirror.js';
import { limits, snapshotTask } from './snapshot-task.js';

const memory = new ObjectMemory(0);
const threads = new ResolverPool();
const never = new AbortController().signal;

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
const MIB = 1024 * 1024;
const WORKER = threadScript('writer');
const THREADS = [
  ['one thread', Number.MAX_SAFE_INTEGER],
  ['two threads', 0],
] as const;

/** Has every kind of entry, a blob that is streamed, and more than a second thread may keep waiting. */
let sink: string;
let pool: CheckoutPool;
let path: string;

beforeAll(async () => {
  sink = join(await shared.directory(), 'sink.git');
  await buildKitchenSink(sink);
  await git(sink, 'pack-refs', '--all');
});

beforeEach(async () => {
  pool = createCheckoutPool();
  defer(() => pool.close());
  path = join(await directory(), 'snapshot');
  await writeFile(path, '');
});

function contextFor(emit: (event: WriteEvent) => void, signal = never): WriteContext {
  return { emit, signal, checkouts: pool, threads, memory };
}

const taskOf = (mirror: string, secondThreadPackBytes: number) =>
  snapshotTask(mirror, path, secondThreadPackBytes);

async function write(task: SnapshotTask): Promise<{ bytes: Buffer; events: WriteEvent[] }> {
  const events: WriteEvent[] = [];
  await writeFile(task.path, '');
  const context = contextFor((event) => events.push(event));
  const result = await writeSnapshot(task, context);
  const bytes = await readFile(task.path);
  expect(result).toEqual({ size: bytes.length });
  return { bytes, events };
}

/** The error of a snapshot that fails, and how many bytes were announced before. */
async function failure(task: SnapshotTask): Promise<{ error: unknown; shown: number }> {
  let shown = 0;
  const context = contextFor((event) => {
    if (event.kind === 'written') shown = event.bytes;
  });
  const result = await writeSnapshot(task, context).catch((error: unknown) => ({ error }));
  if (result === 'unchanged' || !('error' in result)) throw new Error('the snapshot was written');
  return { error: result.error, shown };
}

async function packed(name: string, files: Files): Promise<string> {
  const repository = join(await directory(), name);
  const builder = await RepositoryBuilder.create(repository);
  builder.commit({ files });
  await builder.finish();
  await git(repository, 'pack-refs', '--all');
  return repository;
}

/** A mirror of this pack, with one branch. */
async function mirrorOf(pack: Buffer, head: string | undefined): Promise<string> {
  const mirror = await directory();
  await makeMirror(mirror, pack, head);
  return mirror;
}

test('Two threads write the same bytes as one thread', async () => {
  const alone = await write(await taskOf(sink, Number.MAX_SAFE_INTEGER));
  expect(alone.bytes.length).toBeGreaterThan(40 * MIB);
  for (let i = 0; i < 2; i++) {
    const together = await write(await taskOf(sink, 0));
    expect(together.bytes.equals(alone.bytes)).toBe(true);
  }
});

test.each(THREADS)(
  'With %s, the bytes that are announced are in the file and do not change',
  async (_, from) => {
    const task = await taskOf(sink, from);
    const file = openSync(task.path, 'r');
    defer(() => closeSync(file));
    const shown: Buffer[] = [];
    let at = 0;
    await writeSnapshot(
      task,
      contextFor((event) => {
        if (event.kind !== 'written') return;
        const news = Buffer.alloc(event.bytes - at);
        expect(news.length).toBeGreaterThan(0);
        expect(readSync(file, news, 0, news.length, at)).toBe(news.length);
        at += news.length;
        shown.push(news);
      }),
    );
    expect(shown.length).toBeGreaterThan(10);
    const bytes = await readFile(task.path);
    expect(bytes.subarray(0, at).equals(Buffer.concat(shown))).toBe(true);
  },
);

describe.each(THREADS)('A snapshot with %s', (_, from) => {
  test('announces no byte of a tree that git refuses', async () => {
    const { pack, refs } = packOfTree([['100644', '.git', 'content\n']]);
    const mirror = await mirrorOf(pack, refs.HEAD);
    expect(await failure(await taskOf(mirror, from))).toEqual({
      error: expect.objectContaining({ code: 'REPOSITORY_INVALID' }),
      shown: 0,
    });
  });

  test('fails with the error of a file that cannot be converted', async () => {
    const mirror = await packed('late.git', {
      '.gitattributes': 'z.txt eol=crlf\n',
      'noise.bin': seededBytes('noise', 4 * MIB),
      'z.txt': 'a\n'.repeat(2 * MIB),
    });
    const task = await taskOf(mirror, from);
    // With CR LF, the file has 6 MiB.
    const limits = { ...task.limits, maxObjectBytesInMemory: 5 * MIB };
    const { error, shown } = await failure({ ...task, limits });
    expect(error).toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(shown).toBeGreaterThan(0);
  });

  test('fails when a pack is damaged in an object that is not checked out', async () => {
    // More than may be buffered of a checkout, so that its thread waits while the damage is found.
    const [kept, old] = [seededBytes('kept', 24 * MIB), seededBytes('old', 4 * MIB)];
    const trees = [old, kept].map((blob) =>
      treeBody([['100644', 'noise.bin', objectId('blob', blob)]]),
    );
    const [first, second] = trees.map((tree) => objectId('tree', tree));
    const root = commitBody(first ?? '');
    const head = commitBody(second ?? '', [objectId('commit', root)]);
    const pack = makePack([
      ...[head, root].map((body): PackEntry => ({ type: 'commit', body })),
      ...trees.map((body): PackEntry => ({ type: 'tree', body })),
      // Stored without compression, which makes no difference for noise.
      ...[kept, old].map((body): PackEntry => {
        return { type: 'blob', body, deflated: deflateSync(body, { level: 0 }) };
      }),
    ]);
    const mirror = await mirrorOf(pack, objectId('commit', head));
    const file = await open(await packOf(mirror), 'r+');
    await file.write('damage', (await file.stat()).size - 2 * MIB);
    await file.close();
    const { error } = await failure(await taskOf(mirror, from));
    expect(error).toMatchObject({ code: 'MIRROR_CORRUPTED' });
    await pool.close();
    expect(await openFiles(mirror)).toEqual([]);
  });

  test.each([
    ['the packs', 1],
    ['the checkout', 38 * MIB],
  ])('ends when it is aborted during %s', async (_what, after) => {
    const controller = new AbortController();
    const abort = (event: WriteEvent) => {
      if (event.kind === 'written' && event.bytes >= after) controller.abort(new Error('enough'));
    };
    const task = await taskOf(sink, from);
    await expect(writeSnapshot(task, contextFor(abort, controller.signal))).rejects.toThrow(
      'enough',
    );
    expect((await stat(task.path)).size).toBeLessThan(40 * MIB);
    await pool.close();
    expect(await openFiles(sink)).toEqual([]);
    expect(await openFiles(path)).toEqual([]);
  });

  test('leaves no file open and no thread behind', async () => {
    const threads = await threadCount();
    await write(await taskOf(sink, from));
    await pool.close();
    expect(await threadCount()).toBe(threads);
    expect(await openFiles(sink)).toEqual([]);
    expect(await openFiles(path)).toEqual([]);
  });

  test('ends at once when it is aborted at any point', async () => {
    const workers = new WorkerPool<SnapshotTask, WriteEvent, WriteResult>(WORKER, 1);
    defer(() => workers.close());
    const threads = await threadCount();
    const task = await taskOf(sink, from);
    for (const bytes of [0, 1, 15 * MIB, 35 * MIB]) {
      const stop = new AbortController();
      const reason = new Error('not wanted any more');
      const run = workers.run(task, {
        signal: stop.signal,
        onEvent: (event) => {
          const shown = event.kind === 'written' ? event.bytes : 0;
          if (shown >= bytes) stop.abort(reason);
        },
      });
      await expect(run).rejects.toBe(reason);
      expect(await threadCount()).toBe(threads);
      expect(await openFiles(sink)).toEqual([]);
    }
  });
});

test('Symbolic links keep their targets, also when they are deltas of each other', async () => {
  const targets = ['a', 'b', 'c'].map((end) => `${'deep/'.repeat(100)}${end}`);
  const links = targets.map((content, i) => [`link-${i}`, { mode: '120000', content }] as const);
  const mirror = await packed('links.git', { ...Object.fromEntries(links), file: 'text\n' });
  const idx = (await packOf(mirror)).replace(/pack$/, 'idx');
  expect(await git(mirror, 'verify-pack', '-v', idx)).toContain('chain length = 1');
  await write(await taskOf(mirror, 0));
  const found = new Map<string, string | undefined>();
  const parser = new Parser({
    onReadEntry: (entry) => {
      if (entry.type === 'SymbolicLink') found.set(entry.path, entry.linkpath);
      entry.resume();
    },
  });
  parser.end(Buffer.from(decompress(await readFile(path))));
  expect([...found]).toEqual(links.map(([name], i) => [`./${name}`, targets[i]]));
});

test('The second thread is kept for the next snapshot, unless the snapshot failed', async () => {
  const threads = await threadCount();
  const task = await taskOf(await packed('small.git', { a: 'a\n', b: 'b\n' }), 0);
  await write(task);
  const kept = await threadCount();
  expect(kept).toBeGreaterThan(threads);
  await write(task);
  expect(await threadCount()).toBe(kept);
  await failure({ ...task, limits: { ...limits, maxFiles: 1 } });
  expect(await threadCount()).toBe(threads);
});

test('A ref that does not exist does not end a thread', async () => {
  const workers = new WorkerPool<SnapshotTask, WriteEvent, WriteResult>(WORKER, 1);
  defer(() => workers.close());
  const task = await taskOf(await packed('small.git', { a: 'a\n' }), Number.POSITIVE_INFINITY);
  await workers.run(task, { signal: never });
  const threads = await threadCount();
  for (const ref of ['nothing', '0'.repeat(40)]) {
    const failing = workers.run({ ...task, selection: { ref } }, { signal: never });
    await expect(failing).rejects.toMatchObject({ code: 'REF_NOT_FOUND' });
    expect(await threadCount()).toBe(threads);
  }
});
