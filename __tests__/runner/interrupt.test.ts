/**
 * @one-node-version
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { run } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const JEST = 'node_modules/jest/bin/jest.js';
const ARGS = ['runner/endless', '--testPathIgnorePatterns', '/none/'];

test.each([
  // A terminal sends the signal to all processes of the group.
  ['Ctrl-C', (id: number) => process.kill(-id, 'SIGINT')],
  ['kill -9', (id: number) => process.kill(id, 'SIGKILL')],
])('A run of tests that %s ends leaves no process and no file', async (_how, interrupt) => {
  const place = await directory();
  const [pipe, temporary] = [join(place, 'pipe'), join(place, 'tmp')];
  await run('mkfifo', [pipe]);
  await mkdir(temporary);
  const env = { ...process.env, TMPDIR: temporary, TEST_PIPE: pipe };
  const child = spawn(process.execPath, [JEST, ...ARGS], { env, detached: true });
  const closed = once(child, 'close');
  child.stdout.resume();
  child.stderr.resume();
  const { pid } = child;
  if (pid === undefined) throw new Error('jest did not start');
  defer(async () => {
    child.kill('SIGKILL');
    await closed;
  });

  let running = 0;
  for await (const _ of createInterface({ input: createReadStream(pipe) })) {
    if (++running === 3) interrupt(pid);
  }
  // The pipe has ended, and so have all three processes. The spawner, which removes the files, ends last.
  expect(running).toBe(3);
  await closed;
  expect(await readdir(temporary)).toEqual([]);
});
