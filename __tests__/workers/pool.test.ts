import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BroadcastChannel } from 'node:worker_threads';
import { WorkerPool } from '../../lib/workers/pool.js';
import { openFiles, threadCount } from '../support/process-resources.js';
import { run as runProgram } from '../support/run.js';
import { stopClock } from '../support/stopped-clock.js';
import { cleanup } from '../support/temporary-directory.js';
import type { Order } from './obedient-worker.js';

const { directory, defer } = cleanup(afterEach);
const SCRIPT = new URL('./obedient-worker.js', import.meta.url);

let pool: WorkerPool<Order, string, number>;
let threads: number;
const never = new AbortController().signal;

beforeEach(async () => {
  threads = await threadCount();
  pool = new WorkerPool(SCRIPT, 2);
  defer(() => pool.close());
});

function run(order: Order, onEvent?: (event: string) => void): Promise<number> {
  return pool.run(order, { signal: never, ...(onEvent && { onEvent }) });
}

/** Runs an order that never ends. Resolves at its first event. */
async function start(order: Order) {
  const controller = new AbortController();
  let outcome: Promise<number> | undefined;
  await new Promise<void>((resolve) => {
    outcome = pool.run(order, { signal: controller.signal, onEvent: () => resolve() });
    outcome.catch(() => {});
  });
  return { outcome, controller };
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await nextTurn();
}

/** Waits until threads that end by themselves are gone, and this thread knows it. */
async function allEnded(): Promise<void> {
  while ((await threadCount()) > threads) await nextTurn();
  await turns(2);
}

describe('A worker thread', () => {
  test('is reused, for one task at a time', async () => {
    const [a, b] = await Promise.all([run({ kind: 'answer' }), run({ kind: 'answer' })]);
    expect(a).not.toBe(b);
    expect([a, b]).toContain(await run({ kind: 'answer' }));
    expect(await threadCount()).toBe(threads + 2);
  });

  test('can be started before its first task', async () => {
    pool.prepare();
    pool.prepare();
    expect(await threadCount()).toBe(threads + 1);
    await run({ kind: 'answer' });
    expect(await threadCount()).toBe(threads + 1);
    await pool.close();
    pool.prepare();
    expect(await threadCount()).toBe(threads);
  });

  test('is ended when enough others are idle', async () => {
    await Promise.all(Array.from({ length: 4 }, () => run({ kind: 'answer' })));
    expect(await threadCount()).toBe(threads + 2);
  });

  test('is ended after a result that asks for it', async () => {
    const picky = new WorkerPool<Order, string, number>(SCRIPT, 2, () => false);
    await picky.run({ kind: 'answer' }, { signal: never });
    expect(await threadCount()).toBe(threads);
    await picky.close();
  });

  test('reports events in order, before its result, and only to its current task', async () => {
    const heard: string[] = [];
    await run({ kind: 'tell', events: ['a', 'b', 'c'] }, (event) => heard.push(event));
    await run({ kind: 'tell', events: ['d'] });
    await run({ kind: 'tell', events: ['e'] }, (event) => heard.push(event));
    expect(heard).toEqual(['a', 'b', 'c', 'e']);
  });

  test('is ended when its task fails, and the error keeps its code and details', async () => {
    await expect(run({ kind: 'fail' })).rejects.toMatchObject({
      name: 'SnapshotError',
      code: 'LIMIT_EXCEEDED',
      message: 'told to fail',
      retryAfter: 7,
      limit: 'maxFiles',
      repository: { host: 'git.test', path: 'org/repo' },
    });
    expect(await threadCount()).toBe(threads);
  });
});

describe('Aborting a task', () => {
  test.each(['sleep', 'spin'] as const)(
    'ends its thread after that has stopped: %s',
    async (kind) => {
      // It may take any time.
      stopClock(defer);
      const { outcome, controller } = await start({ kind });
      expect(await threadCount()).toBe(threads + 1);
      controller.abort(new Error('enough'));
      await expect(outcome).rejects.toThrow('enough');
      expect(await threadCount()).toBe(threads);
    },
  );

  test.each(['sleep-on', 'spin-on'] as const)(
    'ends a thread that does not stop, after a minute: %s',
    async (kind) => {
      const clock = stopClock(defer);
      const { outcome, controller } = await start({ kind });
      controller.abort(new Error('enough'));
      clock.tick(59_999);
      await Promise.race([outcome?.catch(() => {}), turns(100)]);
      expect(await threadCount()).toBe(threads + 1);
      clock.tick(1);
      await expect(outcome).rejects.toThrow('enough');
      expect(await threadCount()).toBe(threads);
    },
  );

  test('closes the files that the thread had open', async () => {
    const place = await directory();
    const path = join(place, 'held');
    const { outcome, controller } = await start({ kind: 'hold', path });
    expect(await openFiles(place)).toEqual([path]);
    controller.abort();
    await expect(outcome).rejects.toThrow();
    expect(await openFiles(place)).toEqual([]);
  });

  test('lets the task close its files before its thread ends', async () => {
    const path = join(await directory(), 'tidied');
    // It may take any time.
    stopClock(defer);
    const { outcome, controller } = await start({ kind: 'tidy', path });
    controller.abort(new Error('enough'));
    await expect(outcome).rejects.toThrow('enough');
    expect(await readFile(path, 'utf8')).toBe('ABORTED');
    expect(await threadCount()).toBe(threads);
  });

  test('before its start keeps a thread from being started', async () => {
    const outcome = pool.run({ kind: 'answer' }, { signal: AbortSignal.abort(new Error('early')) });
    await expect(outcome).rejects.toThrow('early');
    expect(await threadCount()).toBe(threads);
  });

  test('after its end changes nothing', async () => {
    const controller = new AbortController();
    const first = await pool.run({ kind: 'answer' }, { signal: controller.signal });
    controller.abort();
    expect(await run({ kind: 'answer' })).toBe(first);
  });

  test('after its end leaves the next task of its thread alone', async () => {
    const channel = new BroadcastChannel(randomUUID());
    defer(() => channel.close());
    const ended = new AbortController();
    const first = await pool.run({ kind: 'answer' }, { signal: ended.signal });
    const { outcome } = await start({ kind: 'wait', channel: channel.name });
    ended.abort();
    channel.postMessage('now');
    expect(await outcome).toBe(first);
  });

  test('leaves other tasks alone', async () => {
    const { outcome, controller } = await start({ kind: 'sleep' });
    const other = start({ kind: 'sleep' });
    controller.abort();
    await expect(outcome).rejects.toThrow();
    await other;
    expect(await threadCount()).toBe(threads + 1);
  });
});

test('An error in a listener fails its task and no other', async () => {
  const listener = () => {
    throw new Error('no listener');
  };
  await expect(run({ kind: 'sleep' }, listener)).rejects.toThrow('no listener');
  await expect(run({ kind: 'tell', events: ['a', 'b'] }, listener)).rejects.toThrow('no listener');
  expect(await threadCount()).toBe(threads);
  expect(await run({ kind: 'answer' })).toBeGreaterThan(0);
});

describe('A worker thread that crashes', () => {
  test.each<[string, Order]>([
    ['ends', { kind: 'exit' }],
    ['throws outside of its task', { kind: 'throw', thrown: 'error' }],
    ['throws a value that is no error', { kind: 'throw', thrown: 'null' }],
  ])('when it %s fails its task', async (_how, order) => {
    await expect(run(order)).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await threadCount()).toBe(threads);
    await run({ kind: 'answer' });
  });

  // Such an error has no task to fail. It must not end the process, and no task may get the thread.
  test.each(['exit', 'throw'] as const)('by %s while it is idle is replaced', async (explosion) => {
    const channel = new BroadcastChannel(randomUUID());
    defer(() => channel.close());
    const first = await run({ kind: 'mine', channel: channel.name, explosion });
    channel.postMessage('now');
    await allEnded();
    expect(await run({ kind: 'answer' })).not.toBe(first);
  });
});

describe('Closing a pool', () => {
  test('ends idle and working threads at once', async () => {
    await run({ kind: 'answer' });
    const running = await Promise.all([start({ kind: 'sleep' }), start({ kind: 'spin' })]);
    await pool.close();
    expect(await threadCount()).toBe(threads);
    for (const { outcome } of running) {
      await expect(outcome).rejects.toMatchObject({ code: 'CLOSED' });
    }
  });

  test('more than once is allowed, and no task runs afterwards', async () => {
    await Promise.all([pool.close(), pool.close()]);
    await pool.close();
    await expect(run({ kind: 'answer' })).rejects.toMatchObject({ code: 'CLOSED' });
    expect(await threadCount()).toBe(threads);
  });
});

test('Working threads keep a process alive, and idle threads do not', async () => {
  const program = join(await directory(), 'program.mjs');
  await writeFile(
    program,
    `import { WorkerPool } from ${JSON.stringify(new URL('../../lib/workers/pool.js', import.meta.url))};
    const pool = new WorkerPool(new URL(${JSON.stringify(SCRIPT)}), 2);
    const { signal } = new AbortController();
    for (let i = 0; i < 2; i++) {
      await pool.run({ kind: 'answer' }, { signal });
      console.log('answered');
    }`,
  );
  expect(await runProgram(process.execPath, [program])).toBe('answered\nanswered\n');
});
