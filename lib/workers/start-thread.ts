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
 * The scripts of the library's threads. The build bundles each with its modules, because a thread
 * that loads them one by one takes twice as long to start.
 */
export const THREADS = ['mirror', 'writer', 'checkout', 'resolver'] as const;

export function threadScript(name: (typeof THREADS)[number]): URL {
  return threadsFile(`${name}.js`);
}

/**
 * A file of `threads/`. This module is part of the bundles there, so the path holds in any folder
 * beside it. The bundlers of host apps must not find the path: they would copy the file, but not
 * the packages that it imports.
 */
export function threadsFile(name: string): URL {
  const here = import.meta.url;
  return new URL(`../threads/${name}`, here);
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
