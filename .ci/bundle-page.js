/*
 * node .ci/bundle-page.js FOLDER: bundles the script of the status page, and copies its other files, into the folder
 * `status-page/page` of the build in the folder.
 */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const SOURCES = 'lib/status-page/browser';

const [folder] = process.argv.slice(2);
const target = join(folder, 'status-page/page');
await build({
  entryPoints: { page: join(SOURCES, 'main.ts') },
  outdir: target,
  bundle: true,
  format: 'esm',
  target: ['chrome111', 'firefox113', 'safari16.4'],
});
for (const name of ['page.html', 'page.css', 'icon.svg']) {
  await cp(join(SOURCES, name), join(target, name));
}
