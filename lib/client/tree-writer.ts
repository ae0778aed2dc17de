import {
  closeSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { ByteReader } from '../archive/byte-reader.js';
import type { TarEntry } from '../archive/tar-reader.js';
import { hasCode, limitExceeded, SnapshotError } from '../errors.js';
import { Collisions } from './collisions.js';
import { refused, unsupportedName } from './entry-errors.js';
import {
  type FileSystem,
  isNameRefused,
  type Place,
  placesIn,
  whereSupported,
} from './file-system.js';
import { inBatches } from './in-batches.js';
import { creationMode, setMode } from './modes.js';
import type { UnpackOptions } from './unpack-options.js';
import { writeContent } from './write-content.js';

/** With which git makes directories, less the umask. */
const DIRECTORY_MODE = 0o777;
/** Larger files are written as they arrive. */
const SMALL_FILE_BYTES = 128 * 1024;
/**
 * Paths of directories, and paths and targets of symlinks, stay in memory until all files are
 * written. The server's `maxPathBytes` has the same default.
 */
const MAX_KEPT_BYTES = 256 * 1024 * 1024;

type DirectoryEntry = Pick<TarEntry, 'mode' | 'mtime'>;

interface TreeWriterOptions extends UnpackOptions {
  readonly fileSystem: FileSystem;
}

/**
 * Writes the entries of an archive below an empty directory to which no other process writes, with
 * the modes that git gives: the umask is honoured, and owners are not set.
 *
 * Invariants that keep every write below the directory:
 * - A path is opened or made only in the first directory, or in directories that this writer made.
 * - The kernel refuses a name that exists already, also in another form that the file system reads
 *   as the same name (`O_EXCL`, `mkdir`, `symlink`). Only then is a file replaced, by its removal.
 * - Symlinks are made after all files and directories, and never in the place of a directory.
 *
 * Of files and symlinks with one name, the last in the order of git's index stays, as in git. Its
 * time is the current one, so that `git status` reads it: the index has another file of this name.
 *
 * Small files are written with synchronous calls, 20 µs each on a local disk: the thread pool takes
 * twice as long. Other work runs whenever the reader needs more bytes, every few hundred KiB.
 *
 * @throws SnapshotError `ARCHIVE_INVALID` when two entries have one path; `NAME_UNSUPPORTED` for a
 * name that is impossible here, unless such entries are skipped; `LIMIT_EXCEEDED` before anything
 * over a limit is written; file system errors as they are.
 */
export class TreeWriter {
  readonly #fileSystem: FileSystem;
  readonly #place: (path: string) => Place;
  readonly #skips: boolean;
  /** Parents first; `undefined` until their entry comes. */
  readonly #directories = new Map<string, DirectoryEntry | undefined>([['', undefined]]);
  readonly #symlinks: TarEntry[] = [];
  readonly #collisions = new Collisions();
  readonly #skipped: string[] = [];
  #bytesLeft: number;
  #entriesLeft: number;
  #keepableBytes = MAX_KEPT_BYTES;

  constructor(directory: string, options: TreeWriterOptions) {
    this.#fileSystem = options.fileSystem;
    this.#place = placesIn(directory);
    this.#skips = options.onUnsupported === 'skip';
    this.#bytesLeft = options.maxBytes;
    this.#entriesLeft = options.maxEntries;
  }

  /** Paths of files and symlinks that collided with another entry. */
  get collisions(): readonly string[] {
    return this.#collisions.paths;
  }

  /** Paths of entries that can't be here. */
  get skipped(): readonly string[] {
    return this.#skipped;
  }

  /** @param reader at the entry's content. */
  async write(entry: TarEntry, reader: ByteReader): Promise<void> {
    const { kind, path } = entry;
    const names = this.#fileSystem.folds ? 2 * path.length : 0;
    const kept = kind === 'symlink' ? path.length + entry.target.length : 0;
    if (kind !== 'directory') this.#count(entry.size + entry.target.length, names + kept);
    try {
      const refusal = this.#fileSystem.refusalOf(path);
      if (refusal !== undefined) throw unsupportedName(path, refusal);
      if (kind === 'directory') return this.#enterDirectory(entry);
      this.#makeDirectory(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
      if (kind === 'symlink') this.#symlinks.push(entry);
      else await this.#writeFile(entry, reader);
    } catch (error) {
      this.#skip(path, error);
    }
  }

  /** Makes the symlinks, then sets modes and times of directories: each write changes a time. */
  async finish(signal: AbortSignal | undefined): Promise<void> {
    await inBatches(this.#symlinks, signal, (link) => {
      try {
        this.#writeLink(link);
      } catch (error) {
        this.#skip(link.path, error);
      }
    });
    // Children first: the final mode of a parent may forbid entering it.
    await inBatches([...this.#directories].reverse(), signal, ([path, entry]) => {
      const place = this.#place(path);
      const { fileModes, permissions } = this.#fileSystem;
      const mode = creationMode(entry?.mode ?? DIRECTORY_MODE);
      // All but the first directory were made with it.
      const isSet = mode === DIRECTORY_MODE && path !== '';
      if (fileModes && !isSet) whereSupported(() => setMode(place, mode & permissions));
      if (entry) whereSupported(() => utimesSync(place, entry.mtime, entry.mtime));
    });
  }

  /** @throws the error, unless it is about a name and entries with such names are skipped. */
  #skip(path: string, error: unknown): void {
    // A checkout without a part of `.git` would be another repository, or none.
    if (!this.#skips || isInGit(path) || !SnapshotError.is(error, 'NAME_UNSUPPORTED')) throw error;
    this.#count(0, path.length, 0);
    this.#skipped.push(Buffer.from(path, 'latin1').toString('latin1'));
  }

  /** @param keptBytes of names that stay in memory. */
  #count(bytes: number, keptBytes: number, entries = 1): void {
    this.#bytesLeft -= bytes;
    this.#entriesLeft -= entries;
    this.#keepableBytes -= keptBytes;
    if (this.#bytesLeft < 0) throw tooMuch('maxBytes', 'bytes');
    if (this.#entriesLeft < 0) throw tooMuch('maxEntries', 'entries');
    if (this.#keepableBytes < 0) throw tooMuch(undefined, 'bytes of names');
  }

  #enterDirectory({ path, mode, mtime }: TarEntry): void {
    this.#makeDirectory(path);
    if (this.#directories.get(path)) throw duplicate(path);
    this.#directories.set(path, { mode, mtime });
  }

  #makeDirectory(path: string): void {
    if (this.#directories.has(path)) return;
    for (let end = path.indexOf('/'); ; end = path.indexOf('/', end + 1)) {
      const ancestor = end === -1 ? path : path.slice(0, end);
      if (!this.#directories.has(ancestor)) {
        this.#count(0, ancestor.length);
        const make = (place: Place) => void mkdirSync(place, DIRECTORY_MODE);
        this.#create({ kind: 'directory', path: ancestor }, make);
        // A substring would keep the whole string in memory.
        this.#directories.set(Buffer.from(ancestor, 'latin1').toString('latin1'), undefined);
      }
      if (end === -1) return;
    }
  }

  async #writeFile(entry: TarEntry, reader: ByteReader): Promise<void> {
    if (entry.size <= SMALL_FILE_BYTES) {
      this.#writeSmall(entry, await reader.take(entry.size));
      return;
    }
    const file = await this.#createLarge(entry);
    if (file === undefined) return;
    try {
      await writeContent(file, entry.size, reader);
    } finally {
      await file.close();
    }
    this.#written(entry);
  }

  #writeSmall(entry: TarEntry, content: Buffer): void {
    const mode = creationMode(entry.mode);
    const file = this.#create(entry, (place) => openSync(place, 'wx', mode));
    if (file === undefined) return;
    try {
      if (content.length > 0) writeFileSync(file, content);
    } finally {
      closeSync(file);
    }
    this.#written(entry);
  }

  #writeLink(link: TarEntry): void {
    const target = Buffer.from(link.target, 'latin1');
    if (!this.#fileSystem.symlinks) {
      this.#writeSmall({ ...link, kind: 'file', mode: 0o644 }, target);
      return;
    }
    const isMade = this.#create(link, (place) => {
      symlinkSync(target, place);
      return true;
    });
    if (isMade) this.#written(link);
  }

  /** @returns what `make` returns; `undefined` if another entry of this name stays. */
  #create<T>(entry: Pick<TarEntry, 'kind' | 'path'>, make: (place: Place) => T): T | undefined {
    const place = this.#place(entry.path);
    try {
      return make(place);
    } catch (error) {
      return this.#makesRoom(entry, place, error) ? make(place) : undefined;
    }
  }

  async #createLarge(entry: TarEntry): Promise<FileHandle | undefined> {
    const place = this.#place(entry.path);
    const make = () => open(place, 'wx', creationMode(entry.mode));
    try {
      return await make();
    } catch (error) {
      return this.#makesRoom(entry, place, error) ? await make() : undefined;
    }
  }

  /**
   * Called when an entry could not be made. Removes a file or symlink of another path from its place.
   *
   * @returns whether the place is free now. If not, the entry that has it stays.
   * @throws SnapshotError `ARCHIVE_INVALID`, `NAME_UNSUPPORTED`; other errors as they are.
   */
  #makesRoom({ kind, path }: Pick<TarEntry, 'kind' | 'path'>, place: Place, error: unknown) {
    if (!hasCode(error, 'EEXIST')) {
      throw isNameRefused(error, place) ? unsupportedName(path, error.code, error) : error;
    }
    const isKnown = this.#collisions.has(path) || this.#directories.has(path);
    if (!this.#fileSystem.folds || isKnown) throw duplicate(path, error);
    if (isInGit(path)) throw unsupportedName(path, 'its name is taken by another part', error);
    const { ino, isDirectory } = identify(place);
    if (kind === 'directory' && isDirectory) {
      // git knows the names that are `.git` on some file system. This also refuses the others.
      const isGit = this.#directories.has('.git') && ino === identify(this.#place('.git')).ino;
      if (isGit) throw refused(path, 'is .git here');
      return false;
    }
    const other = this.#collisions.note(path);
    if (isDirectory) return false;
    // By its own name: the kernel caches what FUSE says of it.
    const taken = other === undefined ? place : this.#place(other);
    if (kind !== 'directory' && other !== undefined && other > path) {
      whereSupported(() => lutimesSync(taken, new Date(), new Date()));
      return false;
    }
    unlinkSync(taken);
    return true;
  }

  /** Sets the time of a new file or symlink. */
  #written({ path, mtime }: TarEntry): void {
    if (this.#fileSystem.folds) this.#collisions.add(path);
    if (this.#collisions.isNoted(path)) return;
    // By path, because Node's permission model refuses to change it by descriptor.
    whereSupported(() => lutimesSync(this.#place(path), mtime, mtime));
  }
}

function isInGit(path: string): boolean {
  return path === '.git' || path.startsWith('.git/');
}

function identify(place: Place) {
  const stats = lstatSync(place, { bigint: true });
  return { ino: stats.ino, isDirectory: stats.isDirectory() };
}

function duplicate(path: string, cause?: unknown): SnapshotError {
  return refused(path, 'is there twice', cause);
}

function tooMuch(limit: 'maxBytes' | 'maxEntries' | undefined, what: string): SnapshotError {
  return limitExceeded(limit, `the archive has more ${what} than are allowed`);
}
