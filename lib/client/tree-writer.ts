import {
  chmodSync,
  closeSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import type { ByteReader } from '../archive/byte-reader.js';
import { shownName } from '../archive/entry-path.js';
import type { TarEntry } from '../archive/tar-reader.js';
import { hasCode, limitExceeded, SnapshotError } from '../errors.js';
import type { TreeLimits } from './limits.js';

/** The mode of directories that have files but no entry of their own. */
const DEFAULT_DIRECTORY_MODE = 0o755;
/** Until a directory is complete, only this user may enter it. */
const UNFINISHED_DIRECTORY_MODE = 0o700;
/** Larger files are written as they arrive. */
const SMALL_FILE_BYTES = 128 * 1024;
/** A write of a large file has at least this size. */
const LARGE_WRITE_BYTES = 1024 * 1024;
/**
 * Paths of directories, and paths and targets of symlinks, stay in memory until all files are
 * written. The server's `maxPathBytes` has the same default.
 */
const MAX_KEPT_BYTES = 256 * 1024 * 1024;
/** Links and directories that are finished before other work gets a turn. */
const BATCH = 256;

type DirectoryEntry = Pick<TarEntry, 'mode' | 'mtime'>;

/**
 * Writes the entries of an archive below an empty directory to which no other process writes. Modes
 * are set regardless of the umask; owners are not set.
 *
 * Invariants that keep every write below the directory:
 * - A path is opened or made only in the first directory, or in directories that this writer made.
 * - Nothing is replaced: the kernel refuses a name that exists already, also in another case if the
 *   file system folds case (`O_EXCL`, `mkdir`, `symlink`).
 * - Symlinks are made after all files and directories.
 *
 * Small files are written with synchronous calls, 20 µs each on a local disk: the thread pool takes
 * twice as long. Other work runs whenever the reader needs more bytes, every few hundred KiB.
 *
 * @throws SnapshotError `ARCHIVE_INVALID` when two entries have one name, or a name is impossible
 * here; `LIMIT_EXCEEDED` before anything over a limit is written; file system errors as they are.
 */
export class TreeWriter {
  readonly #root: string;
  /** Parents first; `undefined` until their entry comes. */
  readonly #directories = new Map<string, DirectoryEntry | undefined>([['', undefined]]);
  readonly #symlinks: TarEntry[] = [];
  #bytesLeft: number;
  #entriesLeft: number;
  #keepableBytes = MAX_KEPT_BYTES;

  constructor(directory: string, { maxBytes, maxEntries }: TreeLimits) {
    this.#bytesLeft = maxBytes;
    this.#entriesLeft = maxEntries;
    this.#root = Buffer.from(directory).toString('latin1');
  }

  /** @param reader at the entry's content. */
  async write(entry: TarEntry, reader: ByteReader): Promise<void> {
    const { kind, path } = entry;
    if (kind === 'directory') {
      this.#makeDirectory(path);
      if (this.#directories.get(path)) throw duplicate(path);
      this.#directories.set(path, { mode: entry.mode, mtime: entry.mtime });
      return;
    }
    this.#makeDirectory(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
    const isLink = kind === 'symlink';
    this.#count(entry.size + entry.target.length, isLink ? path.length + entry.target.length : 0);
    if (isLink) {
      this.#symlinks.push(entry);
    } else if (entry.size <= SMALL_FILE_BYTES) {
      this.#writeSmall(entry, await reader.take(entry.size));
    } else await this.#writeLarge(entry, reader);
  }

  /** Makes the symlinks, then sets modes and times of directories: each write changes a time. */
  async finish(signal: AbortSignal | undefined): Promise<void> {
    await inBatches(this.#symlinks, signal, ({ path, target, mtime }) => {
      const place = this.#place(path);
      withNameFailure(path, () => symlinkSync(Buffer.from(target, 'latin1'), place));
      lutimesSync(place, mtime, mtime);
    });
    // Children first: the final mode of a parent may forbid entering it.
    await inBatches([...this.#directories].reverse(), signal, ([path, entry]) => {
      const place = this.#place(path);
      if (entry) setModeAndTime(place, entry.mode, entry.mtime);
      else chmodSync(place, DEFAULT_DIRECTORY_MODE);
    });
  }

  /** @param keptBytes of names that stay in memory. */
  #count(bytes: number, keptBytes: number): void {
    this.#bytesLeft -= bytes;
    this.#entriesLeft--;
    this.#keepableBytes -= keptBytes;
    if (this.#bytesLeft < 0) throw tooMuch('maxBytes', 'bytes');
    if (this.#entriesLeft < 0) throw tooMuch('maxEntries', 'entries');
    if (this.#keepableBytes < 0) throw tooMuch(undefined, 'bytes of names');
  }

  #place(path: string): Buffer {
    return Buffer.from(`${this.#root}/${path}`, 'latin1');
  }

  #makeDirectory(path: string): void {
    if (this.#directories.has(path)) return;
    for (let end = path.indexOf('/'); ; end = path.indexOf('/', end + 1)) {
      const ancestor = end === -1 ? path : path.slice(0, end);
      if (!this.#directories.has(ancestor)) {
        this.#count(0, ancestor.length);
        const place = this.#place(ancestor);
        withNameFailure(ancestor, () => mkdirSync(place, UNFINISHED_DIRECTORY_MODE));
        // A substring would keep the whole string in memory.
        this.#directories.set(Buffer.from(ancestor, 'latin1').toString('latin1'), undefined);
      }
      if (end === -1) return;
    }
  }

  #writeSmall({ path, mode, mtime }: TarEntry, content: Buffer): void {
    const place = this.#place(path);
    const file = withNameFailure(path, () => openSync(place, 'wx', mode));
    try {
      if (content.length > 0) writeFileSync(file, content);
    } finally {
      closeSync(file);
    }
    setModeAndTime(place, mode, mtime);
  }

  async #writeLarge({ path, mode, mtime, size }: TarEntry, reader: ByteReader): Promise<void> {
    const place = this.#place(path);
    const file = await open(place, 'wx', mode).catch((error: unknown) => {
      throw nameFailure(path, error);
    });
    let writing: Promise<void> = Promise.resolve();
    try {
      for (let left = size; left > 0; ) {
        const { pieces, bytes } = await gather(reader, Math.min(left, LARGE_WRITE_BYTES), left);
        left -= bytes;
        await writing;
        writing = writeAll(file, pieces, bytes);
        writing.catch(() => {}); // awaited when the next pieces have arrived
      }
      await writing;
    } finally {
      await Promise.allSettled([writing]);
      await file.close();
    }
    setModeAndTime(place, mode, mtime);
  }
}

/** By path, because Node's permission model refuses to change them by descriptor. */
function setModeAndTime(place: Buffer, mode: number, mtime: Date): void {
  chmodSync(place, mode);
  utimesSync(place, mtime, mtime);
}

/** Takes at least `atLeast` bytes, at most `limit`, without copying them. */
async function gather(reader: ByteReader, atLeast: number, limit: number) {
  const pieces: Buffer[] = [];
  let bytes = 0;
  while (bytes < atLeast) {
    const piece = await reader.takeAvailable(limit - bytes);
    pieces.push(piece);
    bytes += piece.length;
  }
  return { pieces, bytes };
}

async function writeAll(file: FileHandle, pieces: Buffer[], bytes: number): Promise<void> {
  const { bytesWritten } = await file.writev(pieces);
  // If the disk is full, or a limit is reached, the next write fails.
  if (bytesWritten < bytes) await file.writeFile(Buffer.concat(pieces).subarray(bytesWritten));
}

function withNameFailure<T>(path: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw nameFailure(path, error);
  }
}

function nameFailure(path: string, error: unknown): unknown {
  if (hasCode(error, 'EEXIST')) return duplicate(path, error);
  // The name is too long, or the file system refuses its bytes or characters.
  if (!hasCode(error, 'ENAMETOOLONG', 'EILSEQ', 'EINVAL')) return error;
  const message = `the archive has ${shownName(path)}, which can't be here: ${error.code}`;
  return new SnapshotError('ARCHIVE_INVALID', message, { cause: error });
}

function duplicate(path: string, cause?: unknown): SnapshotError {
  const message = `the archive has ${shownName(path)} twice`;
  return new SnapshotError('ARCHIVE_INVALID', message, { cause });
}

function tooMuch(limit: keyof TreeLimits | undefined, what: string): SnapshotError {
  return limitExceeded(limit, `the archive has more ${what} than are allowed`);
}

async function inBatches<T>(
  items: readonly T[],
  signal: AbortSignal | undefined,
  handle: (item: T) => void,
): Promise<void> {
  for (const [i, item] of items.entries()) {
    if (i % BATCH === 0) {
      await setImmediate();
      signal?.throwIfAborted();
    }
    handle(item);
  }
}
