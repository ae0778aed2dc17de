import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { withResolvers } from '../../lib/async/with-resolvers.js';
import { serve } from '../client/archive-server.js';
import { rawFrame, withDigest } from '../client/archives.js';
import { tarOfMembers } from '../client/tar-members.js';
import { cleanup } from '../support/temporary-directory.js';
import { runCommand, startCommand } from './command-run.js';

const COMMIT = 'c0ffee'.padEnd(40, '0');
const ARCHIVE = withDigest(
  rawFrame(
    tarOfMembers([
      ['.git/HEAD', 'ref: refs/heads/main\n'],
      ['large', 'x'.repeat(3_000_000)],
      ['last', 'done\n'],
    ]),
  ),
);

const { directory, defer } = cleanup(afterEach);
/** Of the target. */
let parent: string;
let target: string;
let requests: IncomingMessage[];

beforeEach(async () => {
  parent = await directory();
  target = join(parent, 'target');
  requests = [];
});

const sendArchive: RequestListener = (_req, res) => {
  res.writeHead(200, { 'content-length': ARCHIVE.length, 'snapshot-commit': COMMIT });
  res.end(ARCHIVE);
};

function serveWith(listener: RequestListener): Promise<string> {
  return serve({ defer }, (req, res) => {
    requests.push(req);
    listener(req, res);
  });
}

const serveArchive = () => serveWith(sendArchive);

test('A restore ends with one line that names the commit, the files, the bytes and the time', async () => {
  const outcome = await runCommand(['restore', await serveArchive(), target]);
  expect(outcome).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(
      /^Restored \S+target at c0ffee000000: 3 files, 3\.00 MB in \d+\.\d s\n$/,
    ),
    stderr: '',
  });
  expect(await readFile(join(target, 'last'), 'utf8')).toBe('done\n');
});

test('--quiet prints nothing, also on a terminal', async () => {
  const args = ['restore', '--quiet', await serveArchive(), target];
  const outcome = await runCommand(args, { isTerminal: true });
  expect(outcome).toEqual({ exitCode: 0, stdout: '', stderr: '' });
});

describe('On a terminal, the progress', () => {
  test('has a bar, the bytes, the rate and the time left, and goes at the end', async () => {
    let sendRest = () => {};
    const url = await serveWith((_req, res) => {
      res.writeHead(200, { 'content-length': ARCHIVE.length });
      res.write(ARCHIVE.subarray(0, 1_500_000));
      sendRest = () => res.end(ARCHIVE.subarray(1_500_000));
    });
    const restoring = startCommand(['restore', url, target], { isTerminal: true });
    const { stderr, stdout } = restoring;
    const half = / {2}(\d+) % {2}1\.\d+ MB of 3\.00 MB {2}\S+ [kMG]?B\/s {2}.* left/;
    await stderr.until(half);
    expect(stderr.text).toMatch(/\[=+-+\]/);
    sendRest();
    expect(await restoring.exitCode).toBe(0);
    const ERASE_LINE = '\u001b[2K';
    expect(stderr.text.endsWith(ERASE_LINE)).toBe(true);
    expect(stdout.text).toMatch(/^Restored /);
  });

  test('says that the server is waited for, and has no bar while the size is unknown', async () => {
    const asked = withResolvers<ServerResponse>();
    const url = await serveWith((_req, res) => asked.resolve(res));
    const restoring = startCommand(['restore', url, target], { isTerminal: true });
    await restoring.stderr.until(/Waiting for the server: 0\.\d s/);
    const answer = await asked.promise;
    answer.write(ARCHIVE.subarray(0, 1_500_000));
    await restoring.stderr.until(/1\.\d+ MB {2}\S+ [kMG]?B\/s/);
    expect(restoring.stderr.text).not.toContain(' % ');
    answer.end(ARCHIVE.subarray(1_500_000));
    expect(await restoring.exitCode).toBe(0);
  });

  test('is not there if the terminal can only print', async () => {
    const environment = { TERM: 'dumb' };
    const args = ['restore', await serveArchive(), target];
    const { stderr } = await runCommand(args, { isTerminal: true, environment });
    expect(stderr).toBe('');
  });
});

describe('The request', () => {
  test.each([
    ['/git/github.com/a/b', [], '/git/github.com/a/b/snapshot.tar.zst'],
    ['/git/github.com/a/b/', [], '/git/github.com/a/b/snapshot.tar.zst'],
    ['/git/github.com/a/b.git', [], '/git/github.com/a/b/snapshot.tar.zst'],
    ['/git/github.com/a/b/snapshot.tar.zst?ref=v1', [], undefined],
    [
      '/git/github.com/a/b?ref=v1',
      ['--ref', 'feature/x', '--depth=1'],
      '/git/github.com/a/b/snapshot.tar.zst?ref=feature%2Fx&depth=1',
    ],
  ])('for %s with %j has the address of a snapshot', async (path, options, expected = path) => {
    const { origin } = new URL(await serveArchive());
    const { exitCode } = await runCommand(['restore', `${origin}${path}`, target, ...options]);
    expect([exitCode, requests[0]?.url]).toEqual([0, expected]);
  });

  test.each<[string, Record<string, string>, string[], Record<string, string | undefined>]>([
    ['nothing', {}, [], { authorization: undefined }],
    ['empty variables', { GIT_SNAPSHOT_TOKEN: '', GIT_SNAPSHOT_HEADER: '' }, [], {}],
    [
      'the token of the environment',
      { GIT_SNAPSHOT_TOKEN: 'one\n' },
      [],
      { authorization: 'Bearer one' },
    ],
    [
      'the token of the command line, which comes first',
      { GIT_SNAPSHOT_TOKEN: 'one' },
      ['--token', 'two'],
      { authorization: 'Bearer two' },
    ],
    [
      'headers of the environment',
      { GIT_SNAPSHOT_HEADER: 'Authorization: Basic dTpw\n X-Team:  a: b \n' },
      [],
      { authorization: 'Basic dTpw', 'x-team': 'a: b' },
    ],
  ])('has the headers for %s', async (_, environment, options, headers) => {
    const args = ['restore', ...options, await serveArchive(), target];
    const { exitCode } = await runCommand(args, { environment });
    expect(exitCode).toBe(0);
    for (const [name, value] of Object.entries(headers)) {
      expect([name, requests[0]?.headers[name]]).toEqual([name, value]);
    }
  });
});

describe('The exit code', () => {
  test.each<[number, string, number, Record<string, string>, string | undefined]>([
    [3, 'a wrong URL', 404, {}, undefined],
    [3, 'a wrong token', 401, {}, 'UNAUTHORIZED'],
    [3, 'a host that is not allowed', 403, {}, 'FORBIDDEN'],
    [3, 'a ref that is missing', 404, {}, 'REF_NOT_FOUND'],
    [3, 'a repository that is missing', 503, {}, 'UPSTREAM_NOT_FOUND'],
    [3, 'a repository that the upstream refuses', 503, {}, 'UPSTREAM_DENIED'],
    [75, 'an upstream that is down', 503, { 'retry-after': '30' }, 'UPSTREAM_UNREACHABLE'],
    [75, 'a server that is busy', 429, {}, undefined],
    [75, 'a proxy whose server is down', 502, {}, undefined],
    [1, 'a repository that is too large', 503, {}, 'LIMIT_EXCEEDED'],
    [1, 'a server that has a bug', 500, {}, undefined],
  ])('is %i for %s', async (exitCode, _, status, headers, code) => {
    const url = await serveWith((_req, res) => {
      const problem = code && { 'content-type': 'application/problem+json' };
      res.writeHead(status, { ...problem, ...headers });
      res.end(JSON.stringify({ code }));
    });
    const outcome = await runCommand(['restore', '--retry-for=0', url, target]);
    const shownCode = code === undefined ? '' : ` (${code})`;
    const [message, ...hints] = outcome.stderr.trimEnd().split('\n');
    expect([outcome.exitCode, outcome.stdout, message]).toEqual([
      exitCode,
      '',
      `express-git-snapshot: ${url} answered ${status}${shownCode}`,
    ]);
    if (headers['retry-after']) expect(hints).toEqual([expect.stringMatching('succeed in 30 s')]);
    if (code !== undefined || status === 404) expect(hints).toHaveLength(1);
    expect(await readdir(parent)).toEqual([]);
  });

  test.each([
    ['of the router', 'UNAUTHORIZED'],
    ['without a code, as of a proxy', undefined],
  ])('comes with the name of the variable for the token after a 401 %s', async (_, code) => {
    const url = await serveWith((_req, res) => {
      res.writeHead(401, { 'content-type': 'application/problem+json' });
      res.end(JSON.stringify({ code }));
    });
    const outcome = await runCommand(['restore', url, target]);
    expect(outcome.stderr).toContain('set GIT_SNAPSHOT_TOKEN');
    expect(outcome.exitCode).toBe(3);
  });

  test('is 75 if the download breaks off', async () => {
    const url = await serveWith((_req, res) => {
      res.writeHead(200, { 'content-length': ARCHIVE.length });
      res.write(ARCHIVE.subarray(0, 2_000_000), () => res.destroy());
    });
    const { exitCode, stderr } = await runCommand(['restore', '--retry-for=0', url, target]);
    expect([exitCode, stderr]).toEqual([75, expect.stringContaining(`${url} broke off after`)]);
    expect(await readdir(parent)).toEqual([]);
  });

  test('is 0 if a busy server answers again in time', async () => {
    const url = await serveWith((req, res) => {
      if (requests.length > 1) sendArchive(req, res);
      else res.writeHead(503, { 'retry-after': '0' }).end();
    });
    expect((await runCommand(['restore', '--retry-for', '9', url, target])).exitCode).toBe(0);
  });

  test('is 4 for a directory with files, which stay', async () => {
    await mkdir(target);
    await writeFile(join(target, 'mine'), 'mine');
    const { exitCode, stderr } = await runCommand(['restore', await serveArchive(), target]);
    expect([exitCode, stderr]).toEqual([4, expect.stringContaining('or a checkout of the same')]);
    expect(await readdir(target)).toEqual(['mine']);
  });

  test('is 1 for a damaged archive', async () => {
    const url = await serveWith((_req, res) => res.end(ARCHIVE.subarray(0, -700)));
    expect((await runCommand(['restore', '--retry-for=0', url, target])).exitCode).toBe(1);
    expect(await readdir(parent)).toEqual([]);
  });

  test('is 130 after Ctrl-C, which leaves nothing behind', async () => {
    const url = await serveWith((_req, res) => res.write(ARCHIVE.subarray(0, 2_000_000)));
    const restoring = startCommand(['restore', url, target], { isTerminal: true });
    await restoring.stderr.until(/ MB /);
    restoring.interrupt();
    expect(await restoring.exitCode).toBe(130);
    expect(restoring.stderr.text).toMatch(/express-git-snapshot: interrupted\n$/);
    expect(await readdir(parent)).toEqual([]);
  });

  test.each<[string, string[], Record<string, string>?]>([
    ['one argument', ['http://localhost/git/github.com/a/b']],
    ['three arguments', ['http://localhost/a', 'b', 'c']],
    ['an unknown option', ['http://localhost/a', 'b', '--unknown']],
    ['an option without its value', ['http://localhost/a', 'b', '--ref']],
    ['a URL that is none', ['github.com/a/b', 'b']],
    ['a URL of ssh', ['ssh://github.com/a/b', 'b']],
    ['a URL with a password', ['http://user:Secret1@localhost/a', 'b']],
    ['a time that is no number', ['http://localhost/a', 'b', '--retry-for=1m']],
    ['a depth that is no number', ['http://localhost/a', 'b', '--depth=all']],
    ['a header without a name', ['http://localhost/a', 'b'], { GIT_SNAPSHOT_HEADER: 'Secret1' }],
    [
      'a header with a control character',
      ['http://localhost/a', 'b'],
      { GIT_SNAPSHOT_HEADER: 'a: Secret1\u0001' },
    ],
    ['a token with a control character', ['http://localhost/a', 'b', '--token', 'Secret1\u0001x']],
    [
      'two headers of one name',
      ['http://localhost/a', 'b', '--token=Secret1'],
      { GIT_SNAPSHOT_HEADER: 'Authorization: Secret1' },
    ],
  ])('is 2 for %s, and no secret is printed', async (_, args, environment = {}) => {
    const outcome = await runCommand(['restore', ...args], { environment });
    expect([outcome.exitCode, outcome.stdout]).toEqual([2, '']);
    expect(outcome.stderr).toMatch(/^express-git-snapshot: \S+ .*\n(See .* restore --help\n)?$/);
    expect(outcome.stderr).not.toContain('Secret1');
  });
});

test("A name that the target can't have fails the restore, or is left out with a warning", async () => {
  const name = 'n'.repeat(300);
  const archive = rawFrame(
    tarOfMembers([
      ['.git/HEAD', ''],
      [`a/${name}`, 'x'],
      ['b', 'y'],
    ]),
  );
  const url = await serveWith((_req, res) => res.end(archive));
  const failed = await runCommand(['restore', '--retry-for=0', url, target]);
  expect([failed.exitCode, failed.stderr]).toEqual([1, expect.stringContaining('"a/nnnn')]);
  expect(failed.stderr).toContain('--skip-unsupported');
  const skipped = await runCommand(['restore', '--skip-unsupported', url, target]);
  expect([skipped.exitCode, skipped.stderr]).toEqual([
    0,
    expect.stringMatching(/^warning: left out, .*"a\/n{300}"\n$/),
  ]);
  expect((await readdir(target)).sort()).toEqual(['.git', 'a', 'b']);
});
