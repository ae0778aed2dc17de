import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from './temporary-directory.js';

/** Run by jest before all tests: see `program-start.ts`. The spawner ends with jest. */
export default async function startSpawner(): Promise<void> {
  const { path } = await temporaryDirectory();
  const socket = join(path, 'spawner');
  const program = fileURLToPath(new URL('./spawner.js', import.meta.url));
  const child = fork(program, [socket], { execArgv: [], stdio: 'inherit' });
  await once(child, 'message');
  child.unref();
  child.channel?.unref();
  process.env.TEST_SPAWNER = socket;
}
