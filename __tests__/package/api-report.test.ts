/**
 * @one-node-version
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const COMMITTED = join(process.cwd(), 'docs', 'api-report');

const { directory } = cleanup(afterAll);

test('The report of the API is up to date', async () => {
  const made = await directory();
  await run(process.execPath, ['.ci/api-report.js', made], { cwd: process.cwd() });
  const pages = new Set([...(await readdir(COMMITTED)), ...(await readdir(made))]);
  const stale: string[] = [];
  for (const page of pages) {
    const [before, after] = await Promise.all([pageIn(COMMITTED, page), pageIn(made, page)]);
    if (before !== after) stale.push(`docs/api-report/${page}`);
  }
  const message = `${stale.join(', ')}: run \`npm run api-report\`, and read the difference as a user`;
  if (stale.length > 0) throw new Error(message);
});

async function pageIn(folder: string, page: string): Promise<string | undefined> {
  return await readFile(join(folder, page), 'utf8').catch(() => undefined);
}
