import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Run by jest before the first suite. All temporary files of the run are in one directory, and all programs are
 * children of the spawner. So the spawner can remove the files and end the programs, however this process ends.
 */
export default async function beforeAll(): Promise<void> {
  // A short name, because the path of a Unix socket has at most about a hundred bytes.
  const directory = await mkdtemp(join(await realpath(tmpdir()), 'egs-'));
  const socket = join(directory, 'spawner');
  const program = fileURLToPath(new URL('./spawner.js', import.meta.url));
  // Detached, so that Ctrl-C in a terminal does not end it before it has cleaned up.
  const child = fork(program, [socket, directory], {
    execArgv: [],
    stdio: 'inherit',
    detached: true,
  });
  await once(child, 'message');
  child.unref();
  child.channel?.unref();
  // glibc keeps free memory for each of many threads: with few pools of it, processes stay smaller by a third.
  process.env.MALLOC_ARENA_MAX = '2';
  process.env.TMPDIR = directory;
  // Node would keep the cache in that directory.
  process.env.NODE_DISABLE_COMPILE_CACHE = '1';
  // Node 20 is supported: the SDK need not say in each process that it will not be for ever.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  process.env.TEST_FIXTURES = join(directory, 'fixtures');
  await mkdir(process.env.TEST_FIXTURES);
  const programs = execFileSync('git', ['--exec-path'], { encoding: 'utf8' }).trim();
  process.env.TEST_HTTP_BACKEND = join(programs, 'git-http-backend');
  process.env.TEST_SPAWNER = socket;
}
