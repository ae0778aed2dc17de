import { mkdir } from 'node:fs/promises';
import { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { restoreSnapshot } from 'express-git-snapshot/client';
import { isInstalled, run } from './programs.js';

const PIPELINE = 'set -o pipefail; curl -sSf "$1" | zstd -dc | tar -xpf - -C "$2"';

/** Milliseconds between two requests for the commit that an app serves. */
const POLL_INTERVAL = 20;

/** A client without the app. */
export const gitClient = {
  name: 'git clone',
  async get(url, directory, signal) {
    await run('git', ['clone', '--quiet', url, directory], { signal });
  },
};

const pipeline = {
  name: 'curl | zstd | tar',
  async get(url, directory, signal) {
    await mkdir(directory);
    await run('bash', ['-c', PIPELINE, 'bash', url, directory], { signal });
  },
};

const restoreClient = {
  name: 'restoreSnapshot',
  async get(url, directory, signal) {
    await restoreSnapshot({ url, directory, signal, agent: new Agent() }); // without a proxy
  },
};

/** A client of the app: of programs if they are installed, otherwise of this package. */
export async function appClient() {
  const found = await Promise.all(['bash', 'curl', 'zstd', 'tar'].map(isInstalled));
  return found.every(Boolean) ? pipeline : restoreClient;
}

/** Waits until an app serves a commit. */
export async function waitFor(commit, url, signal) {
  for (;;) {
    const { headers } = await fetch(url, { method: 'HEAD', signal });
    if (headers.get('snapshot-commit') === commit) return;
    await delay(POLL_INTERVAL, undefined, { signal });
  }
}

/** Checks that a checkout is clean, and returns the commit of its HEAD. */
export async function headOfClean(directory, signal) {
  const git = (...args) => run('git', ['-C', directory, ...args], { signal });
  const changes = await git('status', '--porcelain');
  if (changes !== '') throw new Error(`git status in a restored snapshot: ${changes}`);
  return (await git('rev-parse', 'HEAD')).trim();
}

/** The output of `git fsck`, which fails if it finds an error. */
export async function fsck(directory, signal) {
  const args = ['-C', directory, 'fsck', '--full', '--strict', '--no-progress'];
  try {
    return await run('git', args, { signal });
  } catch (error) {
    signal.throwIfAborted();
    return error.message;
  }
}
