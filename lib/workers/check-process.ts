import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SnapshotError } from '../errors.js';
import { THREADS, threadsFile } from './start-thread.js';

/**
 * Checks what a service needs of its process, so that a wrong start is noticed before the first
 * request.
 *
 * @throws SnapshotError `INVALID_OPTIONS`, whose message says what to change.
 */
export function checkProcess(dataDir: string): void {
  const wrong = lacksWebAssembly() ?? isBundled() ?? lacksPermission(resolve(dataDir));
  if (wrong !== undefined) throw new SnapshotError('INVALID_OPTIONS', wrong);
}

function lacksWebAssembly(): string | undefined {
  if ('WebAssembly' in globalThis) return undefined;
  return 'express-git-snapshot needs WebAssembly: start node without --jitless';
}

/** Bundlers leave the scripts of the worker threads behind. */
function isBundled(): string | undefined {
  const files = ['objects.wasm', ...THREADS.map((name) => `${name}.js`)].map(pathOf);
  if (files.every((path) => path !== undefined && existsSync(path))) return undefined;
  return (
    'express-git-snapshot lacks the scripts of its worker threads, as in a bundle: tell the bundler ' +
    "to leave the package out (external: ['express-git-snapshot']), and install it beside the bundle"
  );
}

function pathOf(name: string): string | undefined {
  try {
    return fileURLToPath(threadsFile(name));
  } catch {
    return undefined; // a bundle without `import.meta.url`
  }
}

/** What node's permission model forbids, and the library needs. */
function lacksPermission(dataDir: string): string | undefined {
  // Only a process with the permission model has it.
  const permission: typeof process.permission | undefined = process.permission;
  if (permission === undefined) return undefined;
  const scripts = fileURLToPath(threadsFile(''));
  const lacking = [
    !permission.has('worker') && '--allow-worker',
    !permission.has('fs.read', join(scripts, 'mirror.js')) && `--allow-fs-read=${scripts}*`,
    ...(['read', 'write'] as const).map(
      (access) =>
        ![dataDir, join(dataDir, 'mirrors')].every((path) =>
          permission.has(`fs.${access}`, path),
        ) && `--allow-fs-${access}=${join(dataDir, '*')}`,
    ),
    // Node 24 does not have it.
    process.allowedNodeEnvironmentFlags.has('--allow-net') &&
      !permission.has('net') &&
      '--allow-net',
  ].filter((flag) => flag !== false);
  if (lacking.length === 0) return undefined;
  return `express-git-snapshot needs more of node's permission model: start node with ${lacking.join(' ')}`;
}
