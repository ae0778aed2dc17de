/**
 * @one-node-version
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { freshRepository } from '../support/fresh-repository.js';
import { cleanEnvironment, run } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { DEMO, runDemo } from './run-demo.js';

const { directory, defer } = cleanup(afterEach);
let temporary: string;

beforeEach(async () => {
  temporary = await directory();
  defer(async () => expect(await readdir(temporary)).toEqual([]));
});

test('The demo runs without arguments, with a repository that it makes', async () => {
  const { code, stdout, stderr } = await runDemo(temporary, []);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^A generated repository of \d+,\d+ objects/m);
  expect(stdout).toMatch(/^ {2}cold request +\d+\.\d+ s +\d+\.\d MB/m);
  expect(stdout).toMatch(/^ {2}git fsck +no complaints$/m);
});

test('The demo says why it fails', async () => {
  const { url } = await freshRepository({ directory, defer });
  const missing = url.replace(/repo$/, 'missing');
  const failures = [
    [await runDemo(temporary, [missing]), 'UPSTREAM_NOT_FOUND'],
    [await runDemo(temporary, ['not a url']), 'not the http(s) URL of a repository'],
    [await runDemo(temporary, [], { PATH: temporary }), 'needs git'],
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
# The demo takes no copy of this checkout, and does not pack what it makes.
case "$*" in *rev-parse*) exit 1;; *repack*) exit 0;; esac
PATH="\${PATH#*:}" exec git "$@"
`;
  await writeFile(join(programs, 'git'), git, { mode: 0o755 });
  const PATH = `${programs}:${process.env.PATH}`;
  const child = spawn(process.execPath, [DEMO], {
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
