import { Worker } from 'node:worker_threads';

/**
 * MiB. By default it grows to 48 and more, and does not shrink. The garbage of these threads is
 * mostly buffers, which are outside this heap.
 */
const YOUNG_GENERATION_MIB = 6;

/** Options that load Yarn's Plug'n'Play, without which a thread finds no package. */
const PNP_OPTION =
  /(?:^|\s)(?:-r|--require|--import|--loader|--experimental-loader)[= ]\S*\.pnp\.\S+/g;

/**
 * A script of the library. The build bundles each with its modules, because a thread that loads
 * them one by one takes twice as long to start. This module is part of such bundles, so the path
 * holds in any folder beside `threads/`.
 */
export function threadScript(name: 'mirror' | 'writer' | 'checkout' | 'resolver'): URL {
  return new URL(`../threads/${name}.js`, import.meta.url);
}

/**
 * Starts a thread whose heap stays small. It gets none of the host's own options: some, such as
 * `--input-type` or a loader for TypeScript, would keep its script from running.
 */
export function startThread(script: URL, workerData?: unknown): Worker {
  const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB };
  const { NODE_OPTIONS = '', ...variables } = process.env;
  const inherited = `${NODE_OPTIONS} ${process.execArgv.join(' ')}`.match(PNP_OPTION) ?? [];
  const env = { ...variables, NODE_OPTIONS: inherited.join(' ') };
  return new Worker(script, { workerData, resourceLimits, execArgv: [], env });
}
