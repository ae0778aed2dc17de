import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type FreshRepository, freshRepository } from '../support/fresh-repository.js';
import { leftovers } from '../support/host-app.js';
import { listen } from '../support/listen.js';
import { git } from '../support/run.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import {
  type CommandRun,
  type CommandRunOptions,
  runCommand,
  startCommand,
} from './command-run.js';

const { directory, defer } = cleanup(afterEach);
let repository: FreshRepository;
let target: string;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  target = join(await directory(), 'target');
});

/** @returns the run, and the URL below which repositories are, without a slash. */
async function startServer(
  options: readonly string[] = [],
  runOptions?: CommandRunOptions,
): Promise<{ serving: CommandRun; url: string }> {
  const { upstream, dataDir } = repository;
  const host = ['--host', upstream.url, '--allow-private-addresses'];
  const args = ['serve', ...host, '--port', '0', '--data', dataDir, ...options];
  const serving = startCommand(args, runOptions);
  defer(async () => {
    serving.interrupt();
    serving.interrupt();
    await serving.exitCode;
  });
  const ended = serving.exitCode.then((code) => {
    throw new Error(`it ended with ${code}: ${serving.stderr.text}`);
  });
  await Promise.race([serving.stdout.until(/Status page: .*\n/), ended]);
  ended.catch(() => {});
  const [, url = ''] = / restore (\S+)\/<owner>/.exec(serving.stdout.text) ?? [];
  return { serving, url };
}

test('serve clones a repository of its host, which restore then unpacks as a checkout', async () => {
  const { serving, url } = await startServer();
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/git\/127\.0\.0\.1:\d+$/);
  const restored = await runCommand(['restore', `${url}/org/repo`, target]);
  expect(restored).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await git(target, 'rev-parse', 'HEAD')).toBe(await repository.head());
  expect(await git(target, 'status', '--porcelain')).toBe('');
  const missing = await runCommand([
    'restore',
    '--retry-for=0',
    `${url}/org/missing`,
    `${target}2`,
  ]);
  expect([missing.exitCode, missing.stderr]).toEqual([
    3,
    expect.stringContaining('The upstream has no such repository'),
  ]);
  expect(serving.stderr.text).toMatch(/^express-git-snapshot: repository not cloned .*\n/);
  const [, page = ''] = /^Status page: (.*)$/m.exec(serving.stdout.text) ?? [];
  expect(await (await fetch(page)).text()).toContain('<title>');
  const rows = await (await fetch(`${page}api/repositories`)).json();
  expect(JSON.stringify(rows)).toContain('org/repo');
  // Live updates end with the server.
  const updates = await fetch(`${page}api/events`);
  serving.interrupt();
  await updates.text();
  expect(await serving.exitCode).toBe(0);
  expect(await leftovers(repository.dataDir)).toEqual([]);
});

test('restore brings a checkout up to date, and drops local changes only with --force', async () => {
  const { url } = await startServer();
  const restore = (...options: string[]) =>
    runCommand(['restore', ...options, `${url}/org/repo`, target]);
  expect(await restore()).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/^Restored /),
  });
  const [first, pushed] = [await repository.head(), await push(repository.bare)];
  expect(await restore()).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(
      `^Updated ${target} at ${pushed.slice(0, 12)}: 1 file, \\d+ B in \\d+\\.\\d s\n$`,
    ),
    stderr: '',
  });
  expect(await git(target, 'rev-parse', 'HEAD', 'HEAD^')).toBe(`${pushed}\n${first}`);
  expect(await restore()).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(`^Up to date: ${target} at ${pushed.slice(0, 12)} in `),
    stderr: '',
  });
  const last = await push(repository.bare, { files: { 'pushed.txt': 'again\n' } });
  await writeFile(join(target, 'pushed.txt'), 'mine\n');
  expect(await restore()).toEqual({
    exitCode: 4,
    stdout: '',
    stderr: expect.stringMatching(/^express-git-snapshot: .*pushed\.txt.*\n.*--force .*\n$/),
  });
  expect(await git(target, 'status', '--porcelain')).toBe(' M pushed.txt');
  expect((await restore('--force')).exitCode).toBe(0);
  expect(await git(target, 'status', '--porcelain')).toBe('');
  expect(await git(target, 'rev-parse', 'HEAD')).toBe(last);
});

test('A connection that breaks is continued: of a build, a stored snapshot, and a bundle', async () => {
  const { url } = await startServer();
  let statuses: number[] = [];
  // Passes requests on, and sends half of the first answer.
  const cutting = createServer(async (req, res) => {
    const forwarded = request(`${new URL(url).origin}${req.url}`, { headers: req.headers }).end();
    const [answer] = await once(forwarded, 'response');
    statuses.push(answer.statusCode);
    res.writeHead(answer.statusCode, answer.headers);
    if (statuses.length > 1) return answer.pipe(res);
    const [bytes] = await once(answer, 'data');
    res.write(bytes.subarray(0, bytes.length / 2), () => res.destroy());
    answer.destroy();
  });
  const cut = `${await listen(cutting, defer)}${new URL(url).pathname}/org/repo`;
  const expectContinued = async (directory: string, line: RegExp, ...expected: unknown[]) => {
    statuses = [];
    const stdout = expect.stringMatching(line);
    const args = ['restore', '--retry-for=0', cut, directory];
    expect(await runCommand(args)).toEqual({ exitCode: 0, stdout, stderr: '' });
    expect(statuses).toEqual(expected);
    expect(await git(directory, 'status', '--porcelain')).toBe('');
  };
  // The server may still be building at the second request.
  await expectContinued(`${target}-cold`, /^Restored /, 200, expect.any(Number));
  await expectContinued(target, /^Restored /, 200, 206);
  const pushed = await push(repository.bare);
  await expectContinued(target, /^Updated /, 200, expect.any(Number));
  expect(await git(target, 'rev-parse', 'HEAD')).toBe(pushed);
});

test('GIT_TOKEN reads a private repository, and is printed nowhere', async () => {
  const fault = { kind: 'require-basic-auth', username: 'me', password: 'Secret1' } as const;
  repository.upstream.fault('org/repo', fault);
  const environment = { GIT_TOKEN: 'Secret1\n', GIT_USERNAME: 'me' };
  const { serving, url } = await startServer([], { environment });
  expect((await runCommand(['restore', `${url}/org/repo`, target])).exitCode).toBe(0);
  expect(serving.stdout.text + serving.stderr.text).not.toContain('Secret1');
});

test('A page on the web that makes its name resolve to this machine reads nothing', async () => {
  const { url } = await startServer();
  const answers = ['localhost:3000', '[::1]', 'localhost.evil.example', 'evil.example'].map(
    async (host) => {
      const asking = request(`${url}/org/missing/snapshot.tar.zst`, { headers: { host } }).end();
      const [answer] = await once(asking, 'response');
      return [host, answer.statusCode, (await text(answer)).includes('localhost')];
    },
  );
  expect(await Promise.all(answers)).toEqual([
    ['localhost:3000', 503, false],
    ['[::1]', 503, false],
    ['localhost.evil.example', 403, true],
    ['evil.example', 403, true],
  ]);
});

test('On an address that others reach, any name of the server works', async () => {
  const { url } = await startServer(['--bind', '0.0.0.0']);
  expect(url).toMatch(/^http:\/\/localhost:/);
  const headers = { host: 'snapshots.example' };
  const asking = request(`${url}/org/missing/snapshot.tar.zst`, { headers }).end();
  const [answer] = await once(asking, 'response');
  answer.resume();
  expect(answer.statusCode).toBe(503);
});

describe('The first Ctrl-C', () => {
  test('lets the requests that have come finish, and stores their snapshots', async () => {
    const gate = repository.upstream.gate('org/repo');
    const { serving, url } = await startServer();
    const restoring = startCommand(['restore', `${url}/org/repo`, target]);
    await gate.reached;
    serving.interrupt();
    await serving.stderr.until(/interrupt again/);
    const late = await runCommand(['restore', '--retry-for=0', `${url}/org/repo`, `${target}2`]);
    expect(late.exitCode).toBe(75);
    gate.release();
    expect(await restoring.exitCode).toBe(0);
    expect(await serving.exitCode).toBe(0);
    expect(await readdir(join(repository.dataDir, 'snapshots'))).toHaveLength(1);
  });

  test('is followed by one that ends all requests at once, with the code 130', async () => {
    const gate = repository.upstream.gate('org/repo');
    const { serving, url } = await startServer();
    const restoring = startCommand(['restore', '--retry-for=0', `${url}/org/repo`, target]);
    await gate.reached;
    serving.interrupt();
    await serving.stderr.until(/interrupt again/);
    serving.interrupt();
    expect(await serving.exitCode).toBe(130);
    expect(await restoring.exitCode).toBe(75);
  });
});
