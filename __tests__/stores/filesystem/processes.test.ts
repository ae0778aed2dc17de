import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isTemporaryName } from '../../../lib/fs/temporary.js';
import { FileSystemStore } from '../../../lib/stores/filesystem/filesystem-store.js';
import { rounds, seedOf } from '../../support/effort.js';
import { fakeDate } from '../../support/fake-date.js';
import { cleanup } from '../../support/temporary-directory.js';
import { type Report, random, verify } from './workload.js';

const { directory, defer } = cleanup(afterEach);
const ROUNDS = rounds(160, 20_000);
const SEED = seedOf('stores in several processes');

test('Processes that write, read and delete the same keys read whole objects only', async () => {
  const path = await directory();
  const reports = await Promise.all(
    ['one', 'two', 'three'].map(async (seed) => {
      const child = start(path, `${SEED} ${seed}`, ROUNDS);
      const last = new Promise<Report>((resolve) => {
        child.on('message', (message: Report | 'part') => message !== 'part' && resolve(message));
      });
      const [code] = await once(child, 'exit');
      expect(code).toBe(0);
      return last;
    }),
  );
  for (const { read, written } of reports) {
    expect(written).toBeGreaterThan(ROUNDS / 4);
    expect(read).toBeGreaterThan(ROUNDS / 8);
  }
  fakeDate(defer, 120_000);
  const store = new FileSystemStore({ directory: path });
  for (const key of ['a', 'b', 'c']) await verify(store, key);
  const count = (ending: string) => left.filter((name) => name.endsWith(ending)).length;
  const left = await readdir(path);
  expect(count('.object')).toBeGreaterThan(0);
  expect([count('.bytes'), left.length]).toEqual([count('.object'), 2 * count('.object')]);
});

test('Writers that are killed at any moment leave no partial object, and the next start removes their files', async () => {
  const path = await directory();
  const next = random(`${SEED} kill`);
  let leftovers = 0;
  let whole = 0;
  for (let round = 0; round < rounds(6, 300); round += 1) {
    await Promise.all(
      [0, 1, 2].map(async (index) => {
        const child = start(path, `${SEED} ${round} ${index}`, 1_000_000);
        const failed = once(child, 'exit').then(([code]) => expect(code).toBe('still running'));
        failed.catch(() => undefined); // killed
        for (let messages = next(60); messages >= 0; messages -= 1) {
          await Promise.race([once(child, 'message'), failed]);
        }
        await kill(child);
      }),
    );
    leftovers += (await readdir(path)).filter(isTemporaryName).length;
    const store = new FileSystemStore({ directory: path });
    for await (const { key } of store.list()) whole += await verify(store, key);
    expect((await readdir(path)).filter(isTemporaryName)).toEqual([]);
  }
  // Without this, the test would show nothing.
  expect(leftovers).toBeGreaterThan(0);
  expect(whole).toBeGreaterThan(0);
});

function start(path: string, seed: string, count: number): ChildProcess {
  const program = fileURLToPath(new URL('./workload.js', import.meta.url));
  const child = fork(program, [path, seed, String(count)], { execArgv: [] });
  defer(() => kill(child));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
