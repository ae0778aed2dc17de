/**
 * @needs nginx
 * @one-node-version
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execute } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { nginxConfig } from '../support/web-server.js';
import { ALL_PAGES } from './all-pages.js';
import { codeBlocks, readPage } from './markdown.js';

const { directory } = cleanup(afterEach);

test('nginx accepts each of its configurations on the pages', async () => {
  const pages = await Promise.all(ALL_PAGES.map(readPage));
  const blocks = pages.flatMap((page) => codeBlocks(page, ['nginx']));
  expect(blocks).not.toEqual([]);
  for (const block of blocks) {
    const prefix = await directory();
    await writeFile(join(prefix, 'nginx.conf'), configuration(block, prefix));
    const args = ['-t', '-p', prefix, '-e', 'stderr', '-c', 'nginx.conf'];
    const { code, stderr } = await execute('nginx', args);
    expect([block, code, stderr]).toEqual([
      block,
      0,
      expect.stringContaining('test is successful'),
    ]);
  }
});

/** Locations are in a server; what stands above them is beside the server. */
function configuration(block: string, directory: string): string {
  const start = block.search(/^location/m);
  const server = `server { listen unix:${directory}/socket; ${block.slice(start)} }`;
  return nginxConfig(directory, block.slice(0, start) + server);
}
