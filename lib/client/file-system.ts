import { lstatSync } from 'node:fs';
import { chmod, lstat, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, toNamespacedPath } from 'node:path';
import { hasCode } from '../errors.js';
import { whileHeld } from '../fs/replace.js';
import { windowsRefusal } from './windows-names.js';

/** The abilities of the target's file system. */
export interface FileSystemAbilities {
  /** Whether it keeps the executable bit. */
  readonly fileModes: boolean;
  readonly symlinks: boolean;
  /** Whether it reads `a` and `A` as one name. */
  readonly foldsCase: boolean;
  /** Whether it reads the composed and the decomposed form of a character (NFC, NFD) as one. */
  readonly foldsUnicode: boolean;
  /** The permissions that the umask leaves to new directories. */
  readonly permissions: number;
}

/** A path for Node's functions. */
export type Place = string | Buffer;

/** The errors of a call that a file system does not have, or does not allow. */
const UNSUPPORTED = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL'];
/** The errors for a name that is too long, or has bytes or characters that are refused. */
const NAME_REFUSED = ['ENAMETOOLONG', 'EILSEQ', 'EINVAL'];
/** Milliseconds for which the rename of a held file is repeated. */
const HELD_TIMEOUT = 20_000;

/**
 * The target's file system and platform. No other part of the client knows about them.
 *
 * Paths are bytes as latin1, with slashes.
 */
export class FileSystem implements FileSystemAbilities {
  readonly fileModes: boolean;
  readonly symlinks: boolean;
  readonly foldsCase: boolean;
  readonly foldsUnicode: boolean;
  readonly permissions: number;
  readonly #platform: NodeJS.Platform;

  constructor(abilities: FileSystemAbilities, platform: NodeJS.Platform = process.platform) {
    this.fileModes = abilities.fileModes;
    this.symlinks = abilities.symlinks;
    this.foldsCase = abilities.foldsCase;
    this.foldsUnicode = abilities.foldsUnicode;
    this.permissions = abilities.permissions;
    this.#platform = platform;
  }

  /** Tries out an empty directory, as `git init` does, and leaves it empty. */
  static async of(directory: string): Promise<FileSystem> {
    const place = join(directory, 'probe');
    try {
      return new FileSystem(await probe(place));
    } finally {
      await rm(place, { recursive: true, force: true });
    }
  }

  /** Whether two names may be one. */
  get folds(): boolean {
    return this.foldsCase || this.foldsUnicode;
  }

  /** The reason why no entry can have a path here; `undefined` if the platform allows it. */
  refusalOf(path: string): string | undefined {
    return this.#platform === 'win32' ? windowsRefusal(path) : undefined;
  }

  /**
   * The settings of `core` that `git init` makes here and that differ from git's defaults; and
   * `filemode`, which every config has. On Windows also those with which git finds long paths, and
   * does not take links for files because the user's config says so.
   */
  get gitSettings(): ReadonlyMap<string, boolean> {
    const settings = new Map([['filemode', this.fileModes]]);
    const isWindows = this.#platform === 'win32';
    if (!this.symlinks || isWindows) settings.set('symlinks', this.symlinks);
    if (this.foldsCase) settings.set('ignorecase', true);
    if (this.#platform === 'darwin') settings.set('precomposeunicode', this.foldsUnicode);
    if (isWindows) settings.set('longpaths', true);
    return settings;
  }
}

/** The places of paths in a directory. On Windows they may be longer than 259 characters. */
export function placesIn(directory: string): (path: string) => Place {
  if (process.platform === 'win32') {
    return (path) => toNamespacedPath(join(directory, Buffer.from(path, 'latin1').toString()));
  }
  const root = Buffer.from(directory).toString('latin1');
  return (path) => Buffer.from(`${root}/${path}`, 'latin1');
}

async function probe(place: string): Promise<FileSystemAbilities> {
  await mkdir(place, 0o777);
  const { mode } = await lstat(place);
  const file = join(place, 'file');
  await writeFile(file, '', { mode: 0o666, flag: 'wx' });
  // Not every file system has such names.
  await writeFile(join(place, '\u00e9'), '').catch(() => {});
  return {
    fileModes: await keepsModes(file),
    symlinks: await makesSymlinks(join(place, 'link')),
    foldsCase: await exists(join(place, 'FiLe')),
    foldsUnicode: await exists(join(place, 'e\u0301')),
    permissions: mode & 0o777,
  };
}

/** @param file made without the executable bit. */
async function keepsModes(file: string): Promise<boolean> {
  const { mode } = await lstat(file);
  if ((mode & 0o111) !== 0) return false;
  try {
    await chmod(file, mode | 0o100);
  } catch (error) {
    if (hasCode(error, ...UNSUPPORTED)) return false;
    throw error;
  }
  return (await lstat(file)).mode !== mode;
}

async function makesSymlinks(place: string): Promise<boolean> {
  try {
    await symlink('testing', place);
    return (await lstat(place)).isSymbolicLink();
  } catch (error) {
    // Node's permission model does not say what the file system can do.
    return hasCode(error, 'ERR_ACCESS_DENIED');
  }
}

/** Whether a place has an entry. @throws every error but those for a place without an entry. */
export async function exists(place: Place): Promise<boolean> {
  try {
    await lstat(place);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EILSEQ', 'EINVAL')) return false;
    throw error;
  }
}

/** Sets a mode or a time, which some file systems don't let: git needs neither. */
export function whereSupported(set: () => void): void {
  try {
    set();
  } catch (error) {
    if (!hasCode(error, ...UNSUPPORTED)) throw error;
  }
}

/** Whether an error of a new file says that the file system can't have its name. */
export function isNameRefused(error: unknown, place: Place): error is Error & { code: string } {
  if (hasCode(error, ...NAME_REFUSED)) return true;
  // exFAT and Windows say so of characters that they refuse, although the parent is there.
  const parent =
    typeof place === 'string' ? dirname(place) : place.subarray(0, place.lastIndexOf('/'));
  return hasCode(error, 'ENOENT') && lstatSync(parent, { throwIfNoEntry: false }) !== undefined;
}

/**
 * Renames to a name that is free. On Windows, waits for other processes that have a file of it open.
 *
 * @throws the error of `rename`.
 */
export async function renameToFree(
  from: Place,
  to: Place,
  { platform = process.platform, move = rename, timeout = HELD_TIMEOUT } = {},
): Promise<void> {
  const delays = pausesFor(timeout);
  await whileHeld(() => move(from, to), { platform, delays, isFinal: () => exists(to) });
}

/** Milliseconds of longer and longer pauses, until they take the whole time. */
function* pausesFor(milliseconds: number): Generator<number> {
  for (let pause = 10, waited = 0; waited < milliseconds; pause = Math.min(2 * pause, 1000)) {
    yield pause;
    waited += pause;
  }
}
