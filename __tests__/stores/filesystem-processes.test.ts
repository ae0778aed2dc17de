import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FileSystemStore } from '../../lib/stores/filesystem.js';
import { isTemporaryName } from '../../lib/stores/temporary.js';
import { type Report, random, verify } from './workload.js';

let directory: string;
let children: ChildProcess[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'filesystem-store-'));
  children = [];
});

afterEach(async () => {
  for (const child of children) await kill(child);
  await rm(directory, { recursive: true });
});

test('processes that write, read and delete the same keys read only whole objects', async () => {
  const reports = await Promise.all(
    ['one', 'two', 'three'].map(async (seed) => {
      const child = start(seed, 400);
      const last = new Promise<Report>((resolve) => {
        child.on('message', (message: Report | 'part') => message !== 'part' && resolve(message));
      });
      const [code] = await once(child, 'exit');
      expect(code).toBe(0);
      return last;
    }),
  );
  for (const { read, written } of reports) {
    expect(written).toBeGreaterThan(100);
    expect(read).toBeGreaterThan(50);
  }
  const left = await readdir(directory);
  expect(left.filter((name) => !name.endsWith('.object'))).toEqual([]);
});

test('writers killed at any moment leave nothing partial, and the next start cleans up', async () => {
  const next = random('kill');
  let leftovers = 0;
  let whole = 0;
  for (let round = 0; round < 10; round += 1) {
    await Promise.all(
      [0, 1, 2].map(async (index) => {
        const child = start(`${round} ${index}`, 1_000_000);
        const failed = once(child, 'exit').then(([code]) => expect(code).toBe('still running'));
        failed.catch(() => undefined); // killed
        for (let messages = next(60); messages >= 0; messages -= 1) {
          await Promise.race([once(child, 'message'), failed]);
        }
        await kill(child);
      }),
    );
    leftovers += (await readdir(directory)).filter(isTemporaryName).length;
    const store = new FileSystemStore({ directory });
    for await (const { key } of store.list()) whole += await verify(store, key);
    expect((await readdir(directory)).filter(isTemporaryName)).toEqual([]);
  }
  expect(leftovers).toBeGreaterThan(5);
  expect(whole).toBeGreaterThan(5);
});

function start(seed: string, rounds: number): ChildProcess {
  const program = fileURLToPath(new URL('./workload.js', import.meta.url));
  const child = fork(program, [directory, seed, String(rounds)], { execArgv: [] });
  children.push(child);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
