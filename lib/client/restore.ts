import { SnapshotError } from '../errors.js';
import { startDownload } from './download.js';
import type { RestoreOptions, RestoreResult } from './options.js';
import { openDownload } from './resumed-source.js';
import { findTarget } from './staging.js';
import { unpack, withFailures } from './unpack.js';
import { parseUnpackOptions } from './unpack-options.js';

/**
 * Downloads a snapshot and unpacks it while it arrives, into a directory `.restore~*`: beside a
 * missing target, or in an existing one. When it is complete and checked, it takes the place of a
 * missing target; its entries move up into an existing one, `.git` last. After any failure except
 * the death of this process, nothing is left behind and the target is unchanged.
 *
 * When the connection breaks, the rest is requested, if the server has sent a strong entity tag.
 *
 * Files are as git leaves them on this platform and file system: the umask is honoured, the config
 * fits, and symlinks are plain files where there are none. Times are those of the archive; the owner
 * is the user of this process.
 *
 * @throws SnapshotError
 * - `INVALID_OPTIONS`: the URL, a header, the agent, a limit or the directory's name can't be used
 * - `TARGET_NOT_EMPTY`: `directory` is not an empty directory, at the start or at the end
 * - `DOWNLOAD_FAILED`, always as a `DownloadError`: the server sent no answer, an incomplete one,
 *   or a status other than 200. The error has this `status`, the server's own code as `remoteCode`,
 *   and its `retryAfter`
 * - `ARCHIVE_INVALID`: the archive is truncated or corrupt, or has entries other than files,
 *   directories and symlinks, or files that could make git run a program
 * - `NAME_UNSUPPORTED`: the target can't have a name of the archive; the message shows it
 * - `LIMIT_EXCEEDED`: the archive exceeds `maxBytes` or `maxEntries`, or has more than 256 MiB of
 *   directory paths, symlink paths and symlink targets
 * - `STORAGE_FULL`
 * - `INTERNAL`: any other failure, of the file system or of a function of the caller. It is the
 *   `cause`
 * @throws the reason of `signal`, itself, once that has aborted
 */
export async function restoreSnapshot(options: RestoreOptions): Promise<RestoreResult> {
  const { directory, onProgress, signal } = options;
  return await withFailures(signal, async () => {
    const url = parseUrl(options.url);
    const unpackOptions = parseUnpackOptions(options);
    signal?.throwIfAborted();
    const target = await findTarget(directory);
    const download = await startDownload(url, options);
    const { commit, totalBytes } = download;
    const source = openDownload(url, download, options);
    try {
      const result = await unpack(source, target, unpackOptions, {
        onProgress: onProgress && ((progress) => onProgress({ ...progress, totalBytes })),
        signal,
      });
      return { commit, ...result };
    } finally {
      source.close();
    }
  });
}

function parseUrl(text: string | URL): URL {
  if (!URL.canParse(String(text))) throw new SnapshotError('INVALID_OPTIONS', 'url is not a URL');
  const url = new URL(text);
  if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new SnapshotError('INVALID_OPTIONS', 'url must be http or https, without credentials');
  }
  return url;
}
