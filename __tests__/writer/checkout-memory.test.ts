/** @one-node-version */
import { on } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { PoolMessage, WorkerMessage } from '../../lib/workers/serve.js';
import { threadScript } from '../../lib/workers/start-thread.js';
import type { WriteTask } from '../../lib/writer/worker.js';
import type { WriteEvent, WriteResult } from '../../lib/writer/write-context.js';
import { treeBody } from '../support/object-id.js';
import { ObjectList } from '../support/object-list.js';
import { cleanup } from '../support/temporary-directory.js';
import { makeMirror } from './hand-made-mirror.js';
import { snapshotTask } from './snapshot-task.js';

/*
 * Snapshots are written in a thread whose heap is far too small for a list of all files.
 */

const { directory, defer } = cleanup(afterEach);
const WORKER = threadScript('writer');
const HEAP = { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 6 };

type Entry = [mode: string, name: string, oid: string];
type Message = WorkerMessage<WriteEvent, WriteResult>;

/** The answer of a thread with a small heap to the task of a snapshot of this tree. */
async function writeInSmallHeap(objects: ObjectList, tree: string): Promise<Message> {
  const mirror = await directory();
  const path = join(await directory(), 'snapshot');
  await writeFile(path, '');
  const { pack, refs } = objects.pack(objects.commit(tree));
  await makeMirror(mirror, pack, refs.HEAD);
  const task = await snapshotTask(mirror, path, Number.MAX_SAFE_INTEGER);
  const worker = new Worker(WORKER, { resourceLimits: HEAP });
  defer(() => worker.terminate());
  const messages = on(worker, 'message') as AsyncIterable<[Message]>;
  worker.postMessage({ kind: 'task', task } satisfies PoolMessage<WriteTask>);
  for await (const [message] of messages) {
    if (message.kind === 'result' || message.kind === 'error') return message;
  }
  throw new Error('the thread sends nothing more');
}

/** Many entries for one object. */
function repeat(count: number, mode: string, name: string, oid: string): Entry[] {
  return Array.from({ length: count }, (_, i) => [mode, `${name}-${`${i}`.padStart(6, '0')}`, oid]);
}

/** Nested directories with very long names. */
function nest(objects: ObjectList, levels: number, leaf: string): string {
  let tree = leaf;
  for (let i = 0; i < levels; i++) tree = objects.tree(['40000', 'd'.repeat(250), tree]);
  return tree;
}

describe('A thread with a small heap writes a snapshot', () => {
  test.each<[string, (objects: ObjectList, blob: string) => string]>([
    [
      '200,000 files in 2,000 directories',
      (o, blob) => {
        const leaf = o.tree(...repeat(100, '100644', 'module.ts', blob));
        return o.add('tree', treeBody(repeat(2000, '40000', 'packages', leaf)));
      },
    ],
    [
      '200,000 files in one directory',
      (o, blob) => o.add('tree', treeBody(repeat(200_000, '100644', 'module.ts', blob))),
    ],
    [
      '20,000 files with paths of nearly 4,000 bytes',
      (o, blob) => {
        const leaf = o.add('tree', treeBody(repeat(20_000, '100644', 'module.ts', blob)));
        return nest(o, 15, leaf);
      },
    ],
  ])('of %s', async (_, make) => {
    const objects = new ObjectList();
    const answer = await writeInSmallHeap(objects, make(objects, objects.blob()));
    expect(answer).toEqual({ kind: 'result', result: { size: expect.any(Number) } });
  });
});

test('A few kB of trees with hundreds of megabytes of paths are refused', async () => {
  const objects = new ObjectList();
  const files = objects.tree(...repeat(1000, '100644', 'f', objects.blob()));
  const tree = nest(objects, 15, objects.tree(...repeat(100, '40000', 'd', files)));
  const { pack } = objects.pack(objects.commit(tree));
  expect(pack.length).toBeLessThan(8000);
  const answer = await writeInSmallHeap(objects, tree);
  expect(answer).toMatchObject({ kind: 'error', error: { code: 'LIMIT_EXCEEDED' } });
});
