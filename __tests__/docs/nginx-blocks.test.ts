/**
 * @needs nginx
 * @one-node-version
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execute } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
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
    const { code, stderr } = await execute('nginx', ['-t', '-p', prefix, '-c', 'nginx.conf']);
    expect([block, code, stderr]).toEqual([
      block,
      0,
      expect.stringContaining('test is successful'),
    ]);
  }
});

/** Places of a block are in a server; what stands above them is beside the server. */
function configuration(block: string, prefix: string): string {
  const [http = '', ...locations] = block.split(/(?=^location)/m);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${prefix};`,
  );
  return `
    pid ${prefix}/nginx.pid;
    error_log stderr;
    events {}
    http { access_log off; ${temporary.join('\n')} ${http} server { listen unix:${prefix}/socket; ${locations.join('')} } }`;
}
