import { lstat, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../errors.js';
import { isNoFile } from '../fs/errors.js';
import { parseUrl } from './artifact-urls.js';
import { startDownload } from './download.js';
import type { RestoreOptions, RestoreResult } from './options.js';
import { openDownload } from './resumed-source.js';
import { parseRetryTimeout, withRetries } from './retries.js';
import { findTarget, type Target } from './staging.js';
import { unpack } from './unpack.js';
import { parseUnpackOptions, type UnpackOptions } from './unpack-options.js';
import { withFailures } from './with-failures.js';

/**
 * Downloads a snapshot and unpacks it while it arrives, into a directory `.restore~*`: beside a
 * missing target, or in an existing one. When it is complete and checked, it takes the place of a
 * missing target; its entries move up into an existing one, `.git` last. After any failure except
 * the death of this process, nothing is left behind and the target is unchanged.
 *
 * A checkout of the same repository is brought up to date instead: by a bundle if the server offers
 * one, else by the snapshot. Files change as by `git merge --ff-only`: local changes stay, and the
 * call fails if the update needs to overwrite one. After a failure, remote-tracking branches may have
 * moved, and nothing else. No hooks run, and filters of the user's config (git-lfs) do nothing.
 *
 * Files are as git leaves them on this platform and file system: the umask is honoured, the config
 * fits, and symlinks are plain files where there are none. Times are those of the archive; the owner
 * is the user of this process.
 *
 * @throws SnapshotError
 * - `INVALID_OPTIONS`: the URL, a header, the agent, a limit or the directory's name can't be used
 * - `TARGET_NOT_EMPTY`: `directory` is not an empty directory, at the start or at the end
 * - `LOCAL_CHANGES`: the update would overwrite local changes; the message names some
 * - `DIVERGED`: the checkout has commits that the upstream's branch lacks
 * - `CHECKOUT_LOCKED`: a git program is writing to the checkout
 * - `CHECKOUT_UNSUPPORTED`: the checkout is of another repository, a worktree, bare, sparse, or
 *   damaged, or a rebase is in progress
 * - `DOWNLOAD_FAILED`, always as a `DownloadError`: the server sent no answer, an incomplete one,
 *   or a status other than 200. The error has this `status`, the server's own code as `remoteCode`,
 *   and its `retryAfter`
 * - `ARCHIVE_INVALID`: the archive is truncated or corrupt, or has entries other than files,
 *   directories and symlinks, or files that could make git run a program
 * - `NAME_UNSUPPORTED`: the target can't have a name of the archive; the message shows it
 * - `LIMIT_EXCEEDED`: the archive, or the change of an update, exceeds `maxBytes` or `maxEntries`; or
 *   the archive has more than 256 MiB of directory paths, symlink paths and symlink targets
 * - `STORAGE_FULL`
 * - `INTERNAL`: any other failure, of the file system or of a function of the caller. It is the
 *   `cause`
 * @throws the reason of `signal`, itself, once that has aborted
 */
export async function restoreSnapshot(options: RestoreOptions): Promise<RestoreResult> {
  const { directory, signal } = options;
  return await withFailures(signal, async () => {
    const url = parseUrl(options.url);
    const unpackOptions = parseUnpackOptions(options);
    const timeout = parseRetryTimeout(options.retryTimeout);
    signal?.throwIfAborted();
    return await withRetries(timeout, signal, async () =>
      (await hasCheckout(directory))
        ? await update(url, await realpath(directory), options, unpackOptions)
        : await restore(url, await findTarget(directory), options, unpackOptions),
    );
  });
}

async function restore(
  url: URL,
  target: Target,
  options: RestoreOptions,
  unpackOptions: UnpackOptions,
): Promise<RestoreResult> {
  const { onProgress, signal } = options;
  const download = await startDownload(url, options);
  const { commit, totalBytes } = download;
  const source = openDownload(url, download, options);
  try {
    const result = await unpack(source, target, unpackOptions, {
      onProgress: onProgress && ((progress) => onProgress({ ...progress, totalBytes })),
      signal,
    });
    return { outcome: 'restored', commit, ...result };
  } finally {
    source.close();
  }
}

/** Loaded only when it is needed: it also reads packs and checks out files. */
async function update(
  url: URL,
  directory: string,
  options: RestoreOptions,
  unpackOptions: UnpackOptions,
): Promise<RestoreResult> {
  const { updateFromServer } = await import('./update/update-from-server.js');
  return await updateFromServer(url, directory, options, unpackOptions);
}

/** Whether a directory holds a checkout; its `.git` may be a file. */
async function hasCheckout(directory: string): Promise<boolean> {
  try {
    await lstat(join(directory, '.git'));
    return true;
  } catch (error) {
    if (isNoFile(error) || hasCode(error, 'ENAMETOOLONG')) return false;
    throw error;
  }
}
