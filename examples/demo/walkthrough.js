import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { restoreSnapshot } from 'express-git-snapshot/client';
import { isInstalled, run } from './programs.js';
import { formatBytes } from './report.js';

const PIPELINE = 'set -o pipefail; curl -sSf "$1" | zstd -dc | tar -xpf - -C "$2"';

/**
 * Requests a snapshot twice, restores it, checks the result with git, and clones the repository with
 * git.
 *
 * @param {object} parts
 * @param {string} parts.snapshotUrl of `snapshot.tar.zst`
 * @param {string} parts.upstreamUrl the URL that git clones
 * @param {string} parts.directory an empty directory for the checkouts
 */
export async function walkThrough({ snapshotUrl, upstreamUrl, directory, report, signal }) {
  const restored = join(directory, 'restored');
  const piped = join(directory, 'piped');
  const cloned = join(directory, 'cloned');
  const git = (checkout, ...args) => run('git', ['-C', checkout, ...args], { signal });

  const onBytes = (bytes) => report.progress(`sending: ${formatBytes(bytes)}`);
  const cold = await timed(() => download(snapshotUrl, { onBytes, signal }));
  report.measured('cold request', cold, 'cloned, indexed, written and sent in one go');
  const warm = await timed(() => download(snapshotUrl, { onBytes, signal }));
  report.measured('warm request', warm, 'from the store');

  const restore = await timed(() =>
    restoreSnapshot({
      url: snapshotUrl,
      directory: restored,
      onProgress: ({ receivedBytes, files }) =>
        report.progress(`restoring: ${formatBytes(receivedBytes)}, ${files} files`),
      signal,
    }),
  );
  report.measured('restore, JS client', restore, `warm, ${restore.files} files and symlinks`);
  if (await canPipe()) {
    await mkdir(piped);
    report.progress('curl | zstd | tar');
    const pipeline = await timed(async () => {
      await run('bash', ['-c', PIPELINE, 'bash', snapshotUrl, piped], { signal });
      return { receivedBytes: restore.receivedBytes };
    });
    report.measured('curl | zstd | tar', pipeline, 'warm');
  }
  report.progress('git clone');
  const clone = await timed(async () => {
    await run('git', ['clone', '--quiet', upstreamUrl, cloned], { signal });
  });
  report.measured('git clone', clone, 'from the same upstream');

  report.progress('git status');
  const changes = (await git(restored, 'status', '--porcelain')).trim();
  report.found('git status', changes === '' ? 'clean' : changes);
  report.progress('git fsck');
  const complaints = await fsck(restored, signal);
  // fsck reports oddities of real histories in any clone.
  const isAsCloned = complaints === '' || complaints === (await fsck(cloned, signal));
  report.found('git fsck', complaints === '' ? 'no complaints' : complaintsAs(isAsCloned));
  const head = await git(restored, 'rev-parse', 'HEAD');
  const isSame = head === (await git(cloned, 'rev-parse', 'HEAD'));
  report.found('HEAD', `${head.slice(0, 12)}, ${isSame ? 'as' : 'NOT as'} in git's clone`);
  if (changes !== '' || !isAsCloned || !isSame) throw new Error('the snapshot is not right');
}

async function timed(work) {
  const started = performance.now();
  const result = await work();
  return { ...result, seconds: (performance.now() - started) / 1000 };
}

/** Reads a whole body and discards it. */
async function download(url, { onBytes, signal }) {
  const response = await fetch(url, { signal });
  if (!response.ok) {
    const { title, code } = await response.json();
    throw new Error(`the server answered ${response.status}: ${title} (${code})`);
  }
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.length;
    onBytes(bytes);
  }
  return { receivedBytes: bytes };
}

async function canPipe() {
  const found = await Promise.all(['bash', 'curl', 'zstd', 'tar'].map(isInstalled));
  return found.every(Boolean);
}

/** The output of `git fsck`, which fails if it finds an error. */
async function fsck(directory, signal) {
  const args = ['-C', directory, 'fsck', '--full', '--strict', '--no-progress'];
  try {
    return await run('git', args, { signal });
  } catch (error) {
    signal.throwIfAborted();
    return error.message;
  }
}

function complaintsAs(isAsCloned) {
  return isAsCloned
    ? "the same complaints as of git's clone"
    : "other complaints than of git's clone";
}
