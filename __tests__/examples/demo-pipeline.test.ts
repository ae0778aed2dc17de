/**
 * @needs bash curl tar zstd
 * @one-node-version
 */
import { readdir } from 'node:fs/promises';
import { freshRepository } from '../support/fresh-repository.js';
import { cleanup } from '../support/temporary-directory.js';
import { runDemo } from './run-demo.js';

const { directory, defer } = cleanup(afterEach);

test('The demo shows all of its steps with a repository that the user names', async () => {
  const temporary = await directory();
  const { url } = await freshRepository({ directory, defer });
  const { code, stdout, stderr } = await runDemo(temporary, [url]);
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
  expect(await readdir(temporary)).toEqual([]);
});
