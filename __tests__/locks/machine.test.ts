import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rmdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MachineLocks, type MachineLocksOptions } from '../../lib/locks/index.js';
import { lockContract } from '../../lib/testing/index.js';
import { cleanup, temporaryDirectory } from '../support/temporary-directory.js';
import type { Scene } from './machine-program.js';

const { directory, defer } = cleanup(afterEach);
/** Milliseconds: longer than any process of a test stands still by chance. */
const LONG = 10 * 60_000;
const PROGRAM = fileURLToPath(new URL('./machine-program.js', import.meta.url));

describe('MachineLocks contract', () => {
  lockContract({
    test,
    timeout: LONG,
    factory: async () => {
      const { path, remove } = await temporaryDirectory();
      const make = () => new MachineLocks({ directory: path, leaseTime: LONG });
      const cleanUp = async () => {
        expect(await readdir(path)).toEqual([]);
        await remove();
      };
      return { locks: make(), another: make, cleanup: cleanUp };
    },
  });
});

function registry(options: MachineLocksOptions): MachineLocks {
  const locks = new MachineLocks({ leaseTime: LONG, ...options });
  defer(() => locks.close());
  return locks;
}

interface Child {
  readonly process: ChildProcess;
  /** Its next message. */
  said(): Promise<unknown>;
  kill(): Promise<void>;
}

function start(path: string, scene: Scene, leaseTime = LONG): Child {
  const child = fork(PROGRAM, [path, scene, String(leaseTime)], { execArgv: [] });
  const exit = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await exit;
  };
  defer(kill);
  return { process: child, said: async () => (await once(child, 'message'))[0], kill };
}

describe('Processes that share a directory', () => {
  test('exclude each other', async () => {
    const path = join(await directory(), 'locks');
    const children = [1, 2, 3].map(() => start(path, 'contend').process);
    const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0]));
    expect(codes).toEqual([0, 0, 0]);
    expect(await readdir(path)).toEqual([]);
  });

  test('get the lock of a process that was killed at once', async () => {
    const path = await directory();
    const holder = start(path, 'hold');
    expect(await holder.said()).toBe('held');
    const waiting = [1, 2, 3].map(async () =>
      (await registry({ directory: path }).acquire('key')).release(),
    );
    await holder.kill();
    await Promise.all(waiting);
    expect(await readdir(path)).toEqual([]);
  });

  test('are not disturbed when a process that waits is killed', async () => {
    const path = await directory();
    const lock = await registry({ directory: path }).acquire('key');
    const waiter = start(path, 'wait');
    expect(await waiter.said()).toBe('waits');
    const next = registry({ directory: path }).acquire('key');
    await waiter.kill();
    expect(lock.signal.aborted).toBe(false);
    await lock.release();
    await (await next).release();
    expect(await readdir(path)).toEqual([]);
  });

  test('get the lock of a process that stands still, which learns that it has lost it', async () => {
    const path = await directory();
    const holder = start(path, 'hold', 300);
    expect(await holder.said()).toBe('held');
    holder.process.kill('SIGSTOP');
    const lock = await registry({ directory: path, leaseTime: 300 }).acquire('key');
    const said = holder.said();
    holder.process.kill('SIGCONT');
    expect(await said).toBe('LOCK_LOST');
    expect(lock.signal.aborted).toBe(false);
    await lock.release();
    expect(await readdir(path)).toEqual([]);
  });

  test('wait for a holder that works for longer than the lease time', async () => {
    const path = await directory();
    const holder = start(path, 'hold', 100);
    expect(await holder.said()).toBe('held');
    const locks = registry({ directory: path, leaseTime: 1000 });
    const signal = AbortSignal.timeout(2000);
    await expect(locks.acquire('key', { signal })).rejects.toThrow('timeout');
  });

  test('remove the sockets of processes that were killed', async () => {
    const path = await directory();
    const holder = start(path, 'hold');
    expect(await holder.said()).toBe('held');
    await holder.kill();
    expect(await readdir(path)).toHaveLength(1);
    await (await registry({ directory: path }).acquire('another key')).release();
    expect(await readdir(path)).toEqual([]);
  });

  test('end although they hold a lock or wait for one', async () => {
    const child = start(await directory(), 'end');
    expect(await once(child.process, 'exit')).toEqual([0, null]);
  });
});

test('Only the user of the server can connect to the socket of a lock', async () => {
  const path = join(await directory(), 'data', 'locks');
  const lock = await registry({ directory: path }).acquire('key');
  const [key = ''] = await readdir(path);
  const [socket = ''] = await readdir(join(path, key));
  const modes = [path, join(path, key), join(path, key, socket)].map(async (each) => {
    return ((await stat(each)).mode & 0o777).toString(8);
  });
  expect(await Promise.all(modes)).toEqual(['700', '700', '600']);
  await lock.release();
});

test('The path of the directory may be longer than that of a socket', async () => {
  const path = join(await directory(), 'long/'.repeat(40));
  const before = await readdir(tmpdir());
  const lock = await registry({ directory: path }).acquire('key');
  const [short = ''] = (await readdir(tmpdir())).filter((name) => !before.includes(name));
  defer(() => rmdir(join(tmpdir(), short)));
  const next = registry({ directory: path }).acquire('key');
  expect(await readdir(join(tmpdir(), short))).toHaveLength(1);
  await lock.release();
  await (await next).release();
});

test('A directory that can not hold sockets makes every request for a lock fail', async () => {
  const path = join(await directory(), 'file');
  await writeFile(path, '');
  const locks = registry({ directory: path });
  await expect(locks.acquire('key')).rejects.toMatchObject({
    code: 'LOCK_UNAVAILABLE',
    message: expect.stringContaining('EEXIST'),
  });
  const repaired = join(await directory(), 'locks');
  await mkdir(repaired);
  await (await registry({ directory: repaired }).acquire('key')).release();
});

test('Closing a registry ends its locks and rejects its waiters', async () => {
  const path = await directory();
  const locks = registry({ directory: path });
  const lock = await locks.acquire('key');
  const waiter = expect(locks.acquire('key')).rejects.toMatchObject({ code: 'CLOSED' });
  await locks.close();
  await waiter;
  expect(lock.signal.reason).toMatchObject({ code: 'CLOSED' });
  await lock.release();
  expect(await readdir(path)).toEqual([]);
});

test.each<[string, object]>([
  ['directory', { directory: '' }],
  ['leaseTime', { directory: 'x', leaseTime: 0 }],
  ['path', { directory: 'x', path: 'x' }],
])('A wrong %s is refused: %p', (name, options) => {
  expect(() => new MachineLocks({ directory: 'x', ...options })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTIONS', message: expect.stringContaining(name) }),
  );
});
