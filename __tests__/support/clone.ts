import { mkdir } from 'node:fs/promises';
import { run } from './run.js';

/** What git's own clone makes of the URL, with the file modes of the usual umask. */
export async function cloneWithGit(
  url: string,
  directory: string,
  ...options: string[]
): Promise<void> {
  const script = 'umask 022 && exec git clone --quiet "$@"';
  await run('sh', ['-c', script, 'sh', ...options, '--', url, directory]);
}

/** Restores a snapshot as users do. Rejects when any of the three programs fails. */
export async function extract(url: string, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const script = 'set -o pipefail; curl -sSf "$1" | zstd -dc | tar -xpf - -C "$2"';
  await run('bash', ['-c', script, 'bash', url, directory]);
}
