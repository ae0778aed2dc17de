import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { cleanup } from '../support/temporary-directory.js';
import { runCommand } from './command-run.js';

const { directory, defer } = cleanup(afterEach);
let data: string;

beforeEach(async () => {
  data = await directory();
});

test('serve ends with the code 1, and tells why, if its port is in use', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  defer(() => other.close());
  await once(other, 'listening');
  const { port } = Object(other.address());
  const args = ['serve', '--host', 'git.example', '--data', data, '--port', String(port)];
  expect(await runCommand(args)).toEqual({
    exitCode: 1,
    stdout: '',
    stderr: `express-git-snapshot: port ${port} of 127.0.0.1 is in use: choose another one by --port\n`,
  });
});

test("serve ends with the code 1, and tells why, if its directory can't be written", async () => {
  const file = join(data, 'file');
  await writeFile(file, '');
  const outcome = await runCommand(['serve', '--host', 'git.example', '--data', file]);
  expect([outcome.exitCode, outcome.stdout]).toEqual([1, '']);
  expect(outcome.stderr).toContain(file);
});

test.each<[string, string[], Record<string, string>?]>([
  ['no host', []],
  ['a host that is none', ['--host', 'a b']],
  ['a base URL that is none', ['--host', 'https://']],
  ['a host with a password', ['--host', 'https://me:Secret1@git.example']],
  ['a port that is none', ['--host', 'git.example', '--port', '65536']],
  ['an argument', ['--host', 'git.example', 'surplus']],
  [
    'a token for two hosts',
    ['--host', 'git.example', '--host', 'git2.example'],
    { GIT_TOKEN: 'Secret1' },
  ],
])('serve ends with the code 2 for %s', async (_, options, environment = {}) => {
  const args = ['serve', ...options, '--data', data];
  const outcome = await runCommand(args, { environment });
  expect([outcome.exitCode, outcome.stdout]).toEqual([2, '']);
  expect(outcome.stderr).toMatch(/^express-git-snapshot: \S+ .*\n/);
  expect(outcome.stderr).not.toContain('Secret1');
  expect(await readdir(data)).toEqual([]);
});
