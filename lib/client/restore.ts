import { ByteReader } from '../archive/byte-reader.js';
import { decompress } from '../archive/decompress.js';
import { verifyDigest } from '../archive/digest-frame.js';
import { readTar } from '../archive/tar-reader.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import { type Download, startDownload } from './download.js';
import { createStaging, findTarget } from './staging.js';
import { type TreeLimits, TreeWriter } from './tree-writer.js';
import { CONFIG_PATH, refuseUnsafeConfig, refuseUnsafeEntry } from './unsafe-entries.js';

export interface RestoreOptions {
  /**
   * The URL of a `snapshot.tar.zst`, http or https, without credentials: put these into `headers`.
   */
  url: string | URL;
  /**
   * The target: an empty directory that is not a mount point, or a path that does not exist; its
   * parents are made.
   */
  directory: string;
  /** Sent with the request, `authorization` for instance; not to other origins after a redirect. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** Called at the start, about once a MiB and at the end. If it throws, the restore ends. */
  onProgress?: ((progress: RestoreProgress) => void) | undefined;
  /** The most bytes to write: the content of all files and symlinks. Default: 256 GiB. */
  maxBytes?: number | undefined;
  /** The most files, symlinks and directories. Default: 10,000,000. */
  maxEntries?: number | undefined;
  /** Ends the restore. Nothing else limits how long a server may take to begin its answer. */
  signal?: AbortSignal | undefined;
}

export interface RestoreProgress {
  readonly receivedBytes: number;
  /** Unknown while the server still generates the snapshot. */
  readonly totalBytes: number | undefined;
  /** Files and symlinks so far. */
  readonly files: number;
}

export interface RestoreResult {
  /** The commit that is checked out, if the server names it (`X-Cachew-Snapshot-Commit`). */
  readonly commit: string | undefined;
  /** Bytes downloaded. */
  readonly bytes: number;
  /** Files and symlinks. */
  readonly files: number;
  /** Whether the snapshot had a digest, which matched. Other servers send none. */
  readonly verified: boolean;
}

const DEFAULT_MAX_BYTES = 256 * 2 ** 30;
const DEFAULT_MAX_ENTRIES = 10_000_000;
const PROGRESS_BYTES = 1024 * 1024;

/**
 * Downloads a snapshot and unpacks it while it arrives, into a directory `.restore-*` beside the
 * target. This directory takes the target's place when it is complete and checked. After any
 * failure except the death of this process, nothing is left behind and the target is unchanged.
 *
 * File modes and times are those of the archive; the owner is the user of this process.
 *
 * @throws SnapshotError
 * - `INVALID_OPTIONS`: the URL, a header, a limit or the directory's name is not usable
 * - `TARGET_NOT_EMPTY`: `directory` is not an empty directory, at the start or at the end
 * - `DOWNLOAD_FAILED`: no answer, or one other than 200 (the message has the status and the
 *   server's own code; `retryAfter` in seconds where it gave one), or an incomplete one
 * - `ARCHIVE_INVALID`: truncated, corrupt, or not a tree of files, directories and symlinks; a name
 *   that this system can't have; a hook, or a setting that could run a program
 * - `LIMIT_EXCEEDED`: `maxBytes` or `maxEntries`; or more than 256 MiB of paths and targets of
 *   directories and symlinks
 * - `STORAGE_FULL`
 * - `ABORTED`: `signal` was aborted; its reason is the `cause`
 * - `INTERNAL`: any other failure of the file system, which is the `cause`
 */
export async function restoreSnapshot(options: RestoreOptions): Promise<RestoreResult> {
  const { directory, headers = {}, signal } = options;
  const url = parseUrl(options.url);
  const limits = {
    maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
    maxEntries: options.maxEntries ?? DEFAULT_MAX_ENTRIES,
  };
  for (const [name, limit] of Object.entries(limits)) {
    if (Number.isSafeInteger(limit) && limit >= 0) continue;
    throw new SnapshotError('INVALID_OPTIONS', `${name} must be a whole number from 0`);
  }
  try {
    signal?.throwIfAborted();
    const target = await findTarget(directory);
    const download = await startDownload(url, headers, signal);
    try {
      return await unpack(download, target, limits, options);
    } finally {
      download.close();
    }
  } catch (error) {
    if (!signal?.aborted) throw toSnapshotError(error);
    throw new SnapshotError('ABORTED', 'the restore was aborted', { cause: signal.reason });
  }
}

async function unpack(
  download: Download,
  target: string,
  limits: TreeLimits,
  { onProgress = () => {}, signal }: RestoreOptions,
): Promise<RestoreResult> {
  const { commit, totalBytes, chunks } = download;
  let bytes = 0;
  let files = 0;
  let verified = false;
  const report = () => onProgress({ receivedBytes: bytes, totalBytes, files });
  async function* received() {
    report();
    let reported = 0;
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes - reported >= PROGRESS_BYTES) {
        reported = bytes;
        report();
      }
      yield chunk;
    }
    report();
  }
  const checked = verifyDigest(received(), () => {
    verified = true;
  });
  const staging = await createStaging(target);
  try {
    const onFile = () => {
      files++;
    };
    await extractTar(decompress(checked), staging.path, { ...limits, signal, onFile });
    report();
    await staging.publish();
  } catch (error) {
    await staging.remove();
    throw error;
  }
  return { commit, bytes, files, verified };
}

interface ExtractOptions extends TreeLimits {
  /** Checked between entries: it does not end a wait for the source. */
  readonly signal: AbortSignal | undefined;
  /** Called for each file and symlink. */
  readonly onFile: () => void;
  /** Of the target's file system. Default: this process's. */
  readonly platform?: NodeJS.Platform;
}

/**
 * Unpacks a tar archive into an empty directory. After an error, the files written before stay.
 *
 * @throws SnapshotError `ARCHIVE_INVALID`, `LIMIT_EXCEEDED`; errors of the source and the file
 * system as they are.
 */
export async function extractTar(
  source: AsyncIterable<Uint8Array>,
  directory: string,
  { signal, onFile, platform = process.platform, ...limits }: ExtractOptions,
): Promise<void> {
  const reader = new ByteReader(source);
  const tree = new TreeWriter(directory, limits);
  try {
    for await (const entry of readTar(reader)) {
      signal?.throwIfAborted();
      refuseUnsafeEntry(entry, platform);
      if (entry.path === CONFIG_PATH) await refuseUnsafeConfig(entry.size, reader);
      await tree.write(entry, reader);
      if (entry.kind !== 'directory') onFile();
    }
  } finally {
    await reader.close();
  }
  await tree.finish(signal);
}

function parseUrl(text: string | URL): URL {
  if (!URL.canParse(String(text))) throw new SnapshotError('INVALID_OPTIONS', 'url is not a URL');
  const url = new URL(text);
  if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new SnapshotError('INVALID_OPTIONS', 'url must be http or https, without credentials');
  }
  return url;
}
