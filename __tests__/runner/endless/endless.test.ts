import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { startProgram } from '../../support/program-start.js';
import { cleanEnvironment } from '../../support/run.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';

/*
 * Not a suite of `npm test`: `interrupt.test.ts` runs and interrupts it. All of its processes hold a pipe open and
 * write a line to it when they run.
 */

test('A test that never ends is interrupted', async () => {
  const { TEST_PIPE: pipe = '' } = process.env;
  const { path } = await temporaryDirectory();
  await mkdir(`${path}/held`);
  const script = ['-c', 'exec >"$1"; echo runs; exec tail -f /dev/null', 'sh', pipe];
  startProgram({ command: 'sh', args: script, env: cleanEnvironment() });
  spawn('sh', script, { env: cleanEnvironment(), stdio: 'ignore' });
  const { fd } = await open(pipe, 'w');
  writeFileSync(fd, 'runs\n');
  await new Promise(() => setInterval(() => {}, 60_000));
});
