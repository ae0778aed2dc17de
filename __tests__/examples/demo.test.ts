import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cleanEnvironment, execute } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';

const DEMO = join('examples', 'demo', 'demo.js');
const { directory, defer } = cleanup(afterEach);
let temporary: string;

beforeEach(async () => {
  temporary = await directory();
  defer(async () => expect(await readdir(temporary)).toEqual([]));
});

test('the demo needs no input and nothing from elsewhere', async () => {
  const { code, stdout, stderr } = await runDemo([]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^A generated repository of \d+,\d+ objects/m);
  expect(stdout).toMatch(/^ {2}cold request +\d+\.\d+ s +\d+\.\d MB/m);
  expect(stdout).toMatch(/^ {2}git fsck +no complaints$/m);
});

test('the demo shows a repository that is named', async () => {
  const url = await serveSmall();
  const { code, stdout, stderr } = await runDemo([url]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const labels = stdout.split('\n').flatMap((line) => /^ {2}(\w.*?) {2,}/.exec(line)?.[1] ?? []);
  expect(labels).toEqual([
    'cold request',
    'warm request',
    'restore, JS client',
    'curl | zstd | tar',
    'git clone',
    'git status',
    'git fsck',
    'HEAD',
  ]);
  expect(stdout).toMatch(/^ {2}git status +clean$/m);
  expect(stdout).toMatch(/, as in git's clone$/m);
});

test('the demo says why it can’t go on', async () => {
  const missing = (await serveSmall()).replace(/small$/, 'missing');
  const failures = [
    [await runDemo([missing]), 'UPSTREAM_NOT_FOUND'],
    [await runDemo(['not a url']), 'not the http(s) URL of a repository'],
    [await runDemo([], { PATH: temporary }), 'needs git'],
  ] as const;
  for (const [{ code, stderr }, message] of failures) {
    expect(code).toBe(1);
    expect(stderr).toMatch(/^demo: .*\n$/);
    expect(stderr).toContain(message);
  }
});

test('Ctrl-C ends the demo, and with it all that it started', async () => {
  const child = spawn(process.execPath, [DEMO], {
    env: { ...cleanEnvironment(), TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const closed = once(child, 'close');
  for await (const line of createInterface({ input: child.stdout })) {
    if (line !== '') child.kill('SIGINT'); // a title: the cold request comes next
  }
  await closed;
  expect(child.exitCode).toBe(130);
});

function runDemo(args: readonly string[], env: Record<string, string> = {}) {
  return execute(process.execPath, [DEMO, ...args], { env: { TMPDIR: temporary, ...env } });
}

async function serveSmall(): Promise<string> {
  const root = await directory();
  await buildSmall(join(root, 'small'));
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  return `${upstream.url}/small`;
}
