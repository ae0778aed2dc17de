/*
 * node .ci/bundle-threads.js FOLDER: bundles the scripts of the worker threads, which `tsc` has compiled into the
 * folder, into its folder `threads`.
 */
import { join } from 'node:path';
import { build } from 'esbuild';

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
  platform: 'node',
  format: 'esm',
  target: 'node20',
});
