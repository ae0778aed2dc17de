/*
 * node .ci/bundle-threads.js FOLDER: bundles the scripts of the worker threads, which `tsc` has compiled into the
 * folder, into its folder `threads`.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const TRANSPORT = fileURLToPath(import.meta.resolve('isomorphic-git/managers'));
const LICENSE = fileURLToPath(
  new URL('../LICENSE.md', import.meta.resolve('isomorphic-git/managers')),
);

/**
 * Bundles the transport of isomorphic-git as well, without the eighty modules that only the rest of isomorphic-git
 * needs: a thread that loads them all takes 50 ms longer to send its first request.
 */
const transport = {
  name: 'transport',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^isomorphic-git\/managers$/ }, () => ({
      path: TRANSPORT,
      sideEffects: false,
    }));
    onResolve({ filter: /^[^.]/ }, ({ path, importer }) =>
      importer === TRANSPORT ? { path, external: true, sideEffects: false } : undefined,
    );
    onLoad({ filter: /isomorphic-git.managers.index\.js$/ }, async ({ path }) => {
      const [license, source] = await Promise.all([
        readFile(LICENSE, 'utf8'),
        readFile(path, 'utf8'),
      ]);
      // The license that is quoted in the source is of a function that the bundle leaves out.
      return { contents: `/*!\n${license}*/\n${source.replaceAll('/*!', '/*')}` };
    });
  },
};

const [folder] = process.argv.slice(2);
await build({
  entryPoints: {
    mirror: join(folder, 'mirror/jobs/worker.js'),
    writer: join(folder, 'writer/worker.js'),
    checkout: join(folder, 'writer/checkout-worker.js'),
    resolver: join(folder, 'pack/resolver-worker.js'),
  },
  outdir: join(folder, 'threads'),
  bundle: true,
  packages: 'external',
  plugins: [transport],
  platform: 'node',
  format: 'esm',
  target: 'node20',
});
