import { createHash } from 'node:crypto';
import {
  type BigIntStats,
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import { FileMode } from '../../checkout/git-index.js';
import type { IndexedFile, IndexedStat } from '../../checkout/read-index.js';
import { isNoFile } from '../../fs/errors.js';
import type { ConfigFile } from '../../git/config-file.js';
import { ObjectType, objectHeader } from '../../git/object.js';
import { isNameRefused, type Place } from '../file-system.js';
import { windowsRefusal } from '../windows-names.js';
import type { FileContent } from './file-content.js';
import type { TreeFile } from './tree-changes.js';

const PIECE_BYTES = 1024 * 1024;

interface WorkingTreeOptions {
  readonly place: (path: string) => Place;
  readonly config: ConfigFile;
  /** When the index was written, in seconds: git can't tell later changes by their time. */
  readonly indexedAt: bigint;
}

/** Looks at the files of a checkout. Paths are bytes as latin1. Nothing is read through a symlink. */
export class WorkingTree {
  readonly place: (path: string) => Place;
  /** Whether one file may have several names, which differ in case. */
  readonly ignoresCase: boolean;
  readonly #fileModes: boolean;
  readonly #symlinks: boolean;
  readonly #indexedAt: bigint;
  /** By directory: the parent that is no directory, if any. */
  readonly #blockers = new Map<string, string | undefined>();

  constructor({ place, config, indexedAt }: WorkingTreeOptions) {
    this.place = place;
    this.#fileModes = config.boolean('core.filemode', true);
    this.#symlinks = config.boolean('core.symlinks', true);
    this.ignoresCase = config.boolean('core.ignorecase', false);
    this.#indexedAt = indexedAt;
  }

  /** Whether symlinks are symlinks; else they are plain files. */
  get symlinks(): boolean {
    return this.#symlinks;
  }

  /** The nearest parent of a path that is there and is no directory. */
  blockerOf(path: string): string | undefined {
    const slash = path.lastIndexOf('/');
    if (slash < 0) return undefined;
    const parent = path.slice(0, slash);
    if (!this.#blockers.has(parent)) {
      const above = this.blockerOf(parent);
      const isBlocker = above === undefined && this.#lstat(parent)?.isDirectory() === false;
      this.#blockers.set(parent, isBlocker ? parent : above);
    }
    return this.#blockers.get(parent);
  }

  /** `undefined`: there is nothing. */
  look(path: string): BigIntStats | undefined {
    return this.blockerOf(path) === undefined ? this.#lstat(path) : undefined;
  }

  /** The reason why no file can have a path here. */
  refusalOf(path: string): string | undefined {
    if (process.platform === 'win32') return windowsRefusal(path);
    try {
      this.look(path);
      return undefined;
    } catch (error) {
      if (isNameRefused(error, this.place(path))) return error.code;
      throw error;
    }
  }

  /** Whether a file is as the index says: by its `lstat`, or else by its content. */
  isUnchanged(file: IndexedFile, content: FileContent): boolean {
    const stats = this.look(file.path);
    if (stats === undefined) return false;
    if (file.mode === FileMode.gitlink) return stats.isDirectory();
    if (!this.#hasMode(stats, file.mode)) return false;
    const isKnown = BigInt(file.stat.mtimeSeconds) < this.#indexedAt && hasStat(stats, file.stat);
    return isKnown || this.has(file.path, file, content);
  }

  /** Whether there is such a file, by its content; for text also with other ends of lines. */
  has(path: string, file: TreeFile, content: FileContent): boolean {
    const stats = this.look(path);
    if (stats === undefined || file.mode === FileMode.gitlink) return false;
    if (!this.#hasMode(stats, file.mode)) return false;
    if (stats.isSymbolicLink()) {
      const target = readlinkSync(this.place(path), { encoding: 'buffer' });
      return target.equals(content.read(path, file));
    }
    if (hashFile(this.place(path), Number(stats.size)) === file.oid) return true;
    if (content.stream(path, file) !== undefined) return false;
    return readFileSync(this.place(path)).equals(content.read(path, file));
  }

  /** Whether directories list each part of a path by this very name. */
  isListed(path: string): boolean {
    const slash = path.lastIndexOf('/');
    const parent = path.slice(0, Math.max(0, slash));
    const names = readdirSync(this.place(parent), { encoding: 'latin1' });
    return names.includes(path.slice(slash + 1)) && (slash < 0 || this.isListed(parent));
  }

  /** The files, symlinks and nested repositories below a directory. */
  *below(directory: string): Generator<string> {
    for (const name of readdirSync(this.place(directory), { encoding: 'latin1' })) {
      const path = `${directory}/${name}`;
      if (this.#lstat(path)?.isDirectory() && name !== '.git') yield* this.below(path);
      else yield path;
    }
  }

  #hasMode(stats: BigIntStats, mode: number): boolean {
    if (mode === FileMode.symlink && this.#symlinks) return stats.isSymbolicLink();
    if (!stats.isFile()) return false;
    const isExecutable = (stats.mode & 0o100n) !== 0n;
    return !this.#fileModes || isExecutable === (mode === FileMode.executable);
  }

  #lstat(path: string): BigIntStats | undefined {
    try {
      return lstatSync(this.place(path), { bigint: true });
    } catch (error) {
      if (isNoFile(error)) return undefined;
      throw error;
    }
  }
}

/**
 * More strictly than git: only what is equal in every way is taken for unchanged, and anything else is
 * read. A snapshot's index knows the time and the size of a file, and no more.
 */
function hasStat(stats: BigIntStats, indexed: IndexedStat): boolean {
  const { ctimeSeconds, mtimeSeconds, size } = indexed;
  const now = statOf(stats);
  if (now.mtimeSeconds !== mtimeSeconds || now.size !== size) return false;
  if (ctimeSeconds === 0) return true;
  const { mtimeNanoseconds, ctimeNanoseconds, inode } = indexed;
  return (
    now.ctimeSeconds === ctimeSeconds &&
    now.ctimeNanoseconds === ctimeNanoseconds &&
    now.mtimeNanoseconds === mtimeNanoseconds &&
    now.inode === inode
  );
}

/** What an index holds of a file. */
export function statOf(stats: BigIntStats): IndexedStat {
  const low = (value: bigint) => Number(BigInt.asUintN(32, value));
  return {
    ctimeSeconds: low(stats.ctimeNs / 1_000_000_000n),
    ctimeNanoseconds: low(stats.ctimeNs % 1_000_000_000n),
    mtimeSeconds: low(stats.mtimeNs / 1_000_000_000n),
    mtimeNanoseconds: low(stats.mtimeNs % 1_000_000_000n),
    device: low(stats.dev),
    inode: low(stats.ino),
    uid: low(stats.uid),
    gid: low(stats.gid),
    size: low(stats.size),
  };
}

/** The id of a file's bytes as a blob. */
function hashFile(place: Place, size: number): string {
  const hash = createHash('sha1').update(objectHeader(ObjectType.blob, size));
  const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, size + 1));
  const fd = openSync(place, 'r');
  try {
    for (let got = readSync(fd, piece); got > 0; got = readSync(fd, piece)) {
      hash.update(piece.subarray(0, got));
    }
    return hash.digest('hex');
  } finally {
    closeSync(fd);
  }
}
