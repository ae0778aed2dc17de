/**
 * @needs bash curl tar zstd
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cloneWithGit } from '../support/clone.js';
import { cleanEnvironment, git, run } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream, type Upstream } from '../support/upstream.js';
import { codeBlocks, readPage } from './markdown.js';

const PAGES = [
  'README.md',
  'docs/quickstart.md',
  'docs/http.md',
  'docs/restoring.md',
  'docs/private-repositories.md',
];
const SERVER = 'http://localhost:3000';
const COMMAND = `${process.execPath} ${join(process.cwd(), 'dist/command/main.js')}`;

const { directory, defer } = cleanup(afterAll);

/** The reader's app: has the package, and the server of the README with its data. */
let app: string;
let upstream: Upstream;
let url: string;

beforeAll(async () => {
  const root = await directory();
  await buildSmall(join(root, 'org', 'repo'));
  for (const path of ['my-org/repo', 'expressjs/express'])
    await cp(join(root, 'org', 'repo'), join(root, path), { recursive: true });
  upstream = await startUpstream({ root });
  defer(() => upstream.close());
  app = await directory();
  await mkdir(join(app, 'node_modules'));
  await symlink(process.cwd(), join(app, 'node_modules', 'express-git-snapshot'));
  await symlink(join(process.cwd(), 'node_modules/express'), join(app, 'node_modules/express'));
  url = await startServer();
});

test.each(PAGES)('All commands for clients on the page %s work as they are shown', async (page) => {
  const text = await readPage(page);
  const commands = codeBlocks(text, ['sh']).filter(
    (code) => code.includes('curl') || code.includes(SERVER),
  );
  expect(commands).not.toEqual([]);
  for (const command of commands) await run('bash', ['-ec', here(command)], await reader());
});

test('A checkout is complete after the commands and the code of the README', async () => {
  const text = await readPage('README.md');
  const { cwd, env } = await reader();
  const [shell = ''] = codeBlocks(text, ['sh']).filter((code) => code.includes('tar -xpf'));
  await run('bash', ['-ec', here(shell)], { cwd, env });
  const [code = ''] = codeBlocks(text, ['js']).filter((one) => one.includes('restoreSnapshot('));
  await writeFile(join(app, 'client.mjs'), here(code).replace('./express', join(cwd, 'client')));
  await run(process.execPath, [join(app, 'client.mjs')]);
  for (const checkout of ['express', 'client']) {
    expect(await git(join(cwd, checkout), 'status', '--porcelain', '--branch')).toBe(
      '## main...origin/main',
    );
    expect(await git(join(cwd, checkout), 'log', '--oneline')).toBe(
      await git(cwd, 'log', '--oneline', 'origin/main'),
    );
  }
});

test('The page on operating shows the directories that the server of the README makes', async () => {
  const [shown = ''] = codeBlocks(await readPage('docs/operating.md'), ['']);
  const names = Array.from(shown.matchAll(/^ {2}(\w+)\//gm), ([, name]) => name);
  expect((await readdir(join(app, 'data'))).sort()).toEqual(names.sort());
});

/** A block with the addresses of this test. */
function here(code: string): string {
  return code.replaceAll(SERVER, url).replaceAll('https://github.com', upstream.url);
}

/** Where a client runs its commands: a checkout that lacks the last commit. Its npx has the package already. */
async function reader(): Promise<{ cwd: string; env: Record<string, string | undefined> }> {
  const home = await directory();
  const npx = `#!/bin/sh\n[ "$1" = express-git-snapshot ] && shift && exec ${COMMAND} "$@"\n`;
  await writeFile(join(home, 'npx'), npx, { mode: 0o755 });
  const cwd = join(home, 'checkout');
  await cloneWithGit(`${upstream.url}/org/repo`, cwd);
  await git(cwd, 'reset', '--quiet', '--hard', 'HEAD~1');
  const PATH = `${home}:${process.env.PATH}`;
  const variables = { url: `${url}/git/github.com/org/repo/snapshot.tar.zst`, SNAPSHOT_TOKEN: 'x' };
  return { cwd, env: { PATH, HOME: home, GIT_CONFIG_GLOBAL: undefined, ...variables } };
}

/** Starts the README's server in the app, on a free port, with the upstream as github.com. @returns its URL. */
async function startServer(): Promise<string> {
  const [code = ''] = codeBlocks(await readPage('README.md'), ['js']);
  const host = JSON.stringify({ baseUrl: upstream.url, allowPrivateAddresses: true });
  const source = code
    .replace(`['github.com']`, `{ 'github.com': ${host} }`)
    .replace('app.listen(3000)', 'app.listen(0)');
  await writeFile(
    join(app, 'server.mjs'),
    `${source}\nserver.once('listening', () => console.log(server.address().port));\n`,
  );
  const child = spawn(process.execPath, ['server.mjs'], {
    cwd: app,
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  defer(async () => {
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  });
  for await (const port of createInterface({ input: child.stdout }))
    return `http://localhost:${port}`;
  throw new Error('the server of the README ended');
}
