/**
 * @one-node-version
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { freshRepository } from '../support/fresh-repository.js';
import { cleanEnvironment, execute, run } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const DEMO = join('examples', 'demo', 'demo.js');
const SMALL = ['--commits', '20', '--clients', '2', '--mbits', '1000'];

/** The part of `examples/demo/report.js` that the test uses. */
interface DemoReport {
  createReport(stream: {
    readonly isTTY: boolean;
    readonly columns: number;
    write(text: string): void;
  }): {
    bars(rows: { label: string; numbers: string[]; length: number }[]): void;
    close(): void;
  };
}

const { directory, defer } = cleanup(afterEach);
let temporary: string;

beforeEach(async () => {
  temporary = await directory();
  defer(async () => expect(await readdir(temporary)).toEqual([]));
});

test('The demo measures each step with git clone and with the app, and adds up', async () => {
  const { code, stdout, stderr } = await runDemo(SMALL);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(titlesIn(stdout)).toEqual([
    'The first request, to an app that has just started',
    '2 clients at once, again with an app that has nothing yet',
    'One client more',
    'After a push',
    'The upstream is down',
    'The app is killed and starts again, while the upstream is still down',
  ]);
  const [git, app] = ['git clone', 'with the app'].map((label) => rowsIn(stdout, label));
  expect(git?.map(({ time }) => time === 'fails')).toEqual([
    false,
    false,
    false,
    false,
    true,
    true,
  ]);
  expect(app?.map(({ time }) => time === 'fails')).not.toContain(true);
  // Two clients of git get everything, two clients of the app share one clone; then there is little or nothing.
  const kilobytes = (rows = app) => rows?.map(({ bytes }) => Math.round(Number.parseFloat(bytes)));
  const [all = Number.NaN] = kilobytes(git) ?? [];
  expect(kilobytes(git)?.[1]).toBeCloseTo(2 * all, -1);
  expect(kilobytes()).toEqual([all, all, 0, expect.any(Number), 0, 0]);
  expect(kilobytes()?.[3]).toBeLessThan(all / 10);
  expect(stdout).toMatch(/sent 2\.\d times as many bytes to git clone/);
  const sums = stdout.slice(stdout.indexOf('\nSums of steps 1 to 4'));
  const seconds = git?.slice(0, 4).reduce((sum, { time }) => sum + Number.parseFloat(time), 0);
  expect(Number(/git clone +([\d.]+) s/.exec(sums)?.[1])).toBeCloseTo(seconds ?? 0, 1);
  expect(stdout).toMatch(/All 7 restored checkouts have git's HEAD and a clean git status/);
  expect(stdout).not.toContain('\x1b');
});

test('With a URL, the demo shows that repository, also without curl, zstd and tar', async () => {
  const { url } = await freshRepository({ directory, defer });
  const PATH = await directory();
  await symlink((await run('sh', ['-c', 'command -v git'])).trim(), join(PATH, 'git'));
  const { code, stdout, stderr } = await runDemo(['--clients', '1', url], { PATH });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const words = stdout.split(/\s+/).join(' ');
  expect(words).toContain(`The upstream is ${url}.`);
  expect(words).toContain('Clients of the app run restoreSnapshot.');
  expect(titlesIn(stdout)).toHaveLength(4);
});

test.each([
  ['with colours', undefined],
  ['without colours if the user wants none', '1'],
])('On a terminal, the demo draws bars, %s', async (_how, noColor) => {
  const { createReport }: DemoReport = await import(pathToFileURL('examples/demo/report.js').href);
  const before = process.env.NO_COLOR;
  defer(async () => setNoColor(before));
  setNoColor(noColor);
  let output = '';
  const write = (text: string) => {
    output += text;
  };
  const report = createReport({ isTTY: true, columns: 80, write });
  report.bars([
    { label: 'git clone', numbers: ['2.00 s'], length: 2 },
    { label: 'with the app', numbers: ['1.00 s'], length: 1 },
    { label: 'with the app', numbers: ['fails'], length: Number.NaN },
  ]);
  report.close();
  const lines = output.trimEnd().split('\n');
  expect(lines.map((line) => line.split('█').length - 1)).toEqual([49, 24, 0]);
  expect(output.includes('\x1b[')).toBe(noColor === undefined);
});

test('The demo says why it fails', async () => {
  const { url } = await freshRepository({ directory, defer });
  const missing = url.replace(/repo$/, 'missing');
  const failures = [
    [await runDemo([missing]), 'answered 404'],
    [await runDemo(['not a url']), 'not the http(s) URL of a repository'],
    [await runDemo(['--clients', '0']), '--clients takes a whole number from 1'],
    [await runDemo([], { PATH: temporary }), 'needs git'],
  ] as const;
  for (const [{ code, stderr }, message] of failures) {
    expect(code).toBe(1);
    expect(stderr).toMatch(/^demo: .*\n$/);
    expect(stderr).toContain(message);
  }
});

test('Ctrl-C ends the demo and all processes that it started', async () => {
  // This git never answers a request, so that the demo does not end by itself. The pipe ends with it.
  const programs = await directory();
  const pipe = join(programs, 'pipe');
  await run('mkfifo', [pipe]);
  const git = `#!/bin/sh
[ "$1" = http-backend ] && exec tail -f /dev/null >"${pipe}"
PATH="\${PATH#*:}" exec git "$@"
`;
  await writeFile(join(programs, 'git'), git, { mode: 0o755 });
  const PATH = `${programs}:${process.env.PATH}`;
  const child = spawn(process.execPath, [DEMO, ...SMALL], {
    env: { ...cleanEnvironment(), TMPDIR: temporary, PATH },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const closed = once(child, 'close');
  const complaints = text(child.stderr);
  const answering = createReadStream(pipe);
  await once(answering, 'open');
  child.kill('SIGINT');
  expect(await text(answering)).toBe('');
  await closed;
  expect([child.exitCode, await complaints]).toEqual([130, 'interrupted\n']);
});

function setNoColor(value: string | undefined): void {
  if (value === undefined) delete process.env.NO_COLOR;
  else process.env.NO_COLOR = value;
}

/** Runs the demo to its end. */
async function runDemo(args: readonly string[], env: Record<string, string> = {}) {
  return await execute(process.execPath, [DEMO, ...args], { env: { TMPDIR: temporary, ...env } });
}

/** The titles of the steps. */
function titlesIn(output: string): string[] {
  return Array.from(output.matchAll(/^\d {2}(.*)$/gm), ([, title = '']) => title);
}

/** The time and the bytes of each step. */
function rowsIn(output: string, label: string): { time: string; bytes: string }[] {
  const row = new RegExp(`^ {3}${label} +(\\d+\\.\\d\\d s|fails) +(\\d+\\.\\d [kM]B)$`, 'gm');
  return Array.from(output.matchAll(row), ([, time = '', bytes = '']) => ({ time, bytes }));
}
