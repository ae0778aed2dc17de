import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freshRepository } from '../support/fresh-repository.js';
import { git } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

/*
 * Names that are as long as a file system takes, or longer. No answer is of this server's own failure.
 */

const { directory, defer } = cleanup(afterEach);

/** Of a file; a bare repository's ends with `.git`. */
const LONGEST_NAME = 255 - '.git'.length;

test.each([
  ['one segment', 'r'.repeat(LONGEST_NAME)],
  ['one segment of letters with three bytes', '字'.repeat(LONGEST_NAME / 3)],
  ['segments', ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(LONGEST_NAME)).join('/')],
])(
  'The longest repository path that an upstream can have is served and stored: %s',
  async (_, path) => {
    const repository = await freshRepository({ directory, defer }, buildSmall, path);
    const app = await repository.startApp();
    const url = app.snapshotUrl(path.split('/').map(encodeURIComponent).join('/'));
    const answer = await fetch(url);
    expect(answer.status).toBe(200);
    await answer.arrayBuffer();
    await app.router.service.statStored(repository.snapshot);
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(200);
  },
);

test('A ref with a name of 255 bytes is served, and a longer name is refused', async () => {
  const repository = await freshRepository({ directory, defer });
  const head = await repository.head();
  const longest = 'n'.repeat(255);
  await git(repository.bare, 'pack-refs', '--all');
  await appendFile(join(repository.bare, 'packed-refs'), `${head} refs/heads/${longest}\n`);
  const app = await repository.startApp();
  const status = async (ref: string) => {
    const answer = await fetch(`${app.snapshotUrl(repository.path)}?ref=${ref}`);
    await answer.arrayBuffer();
    return answer.status;
  };
  expect(await status(longest)).toBe(200);
  expect(await status(`${longest}n`)).toBe(400);
});
