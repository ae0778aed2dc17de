import { link, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode } from '../../errors.js';
import { isUnsupported, unlessMissing } from '../../fs/errors.js';
import {
  excessive,
  hasExpired,
  type KeepReplaced,
  type Replaced,
  SweepTimer,
} from '../keep-replaced.js';
import { filesOf, removeEmptyFolders } from './folders.js';
import {
  bytesFileName,
  type FileName,
  ownerOfBytes,
  readDescription,
  stemOf,
} from './object-file.js';

/**
 * `{stem}.{when: ms since the epoch}-{revision}.replaced`. In earlier versions of this store, a random
 * number was in the place of the revision.
 */
const REPLACED = /^(.+)\.(\d{1,16})-([0-9a-f-]{8,36})\.replaced$/;

export interface ReplacedFile extends Replaced {
  readonly name: string;
  /** The file name of its bytes. */
  readonly bytesName: string;
}

/**
 * The replaced versions of objects. Before a description is replaced, it gets a second name (a hard
 * link), and its bytes stay. That costs no copy, holds no descriptor, and serves all processes that
 * share the directory, also after a restart. The name tells when the version was replaced.
 *
 * Each process removes expired versions, at each replacement and by a timer: those that it has kept,
 * and those that it found when it last read the directory.
 */
export class ReplacedFiles {
  readonly #directory: string;
  readonly #options: KeepReplaced;
  readonly #timer: SweepTimer;
  /** The known versions, the oldest first. */
  #files: readonly ReplacedFile[] = [];

  constructor(directory: string, options: KeepReplaced) {
    this.#directory = directory;
    this.#options = options;
    // The next replacement tries again, and reports a failure.
    this.#timer = new SweepTimer(options, () => void this.sweep().catch(() => {}));
  }

  /** Bytes of all known versions. */
  get bytes(): number {
    return this.#files.reduce((total, { bytes }) => total + bytes, 0);
  }

  /**
   * Forgets the known versions, except those that are newer than the search. Removes expired ones.
   *
   * @param found in the directory, the oldest first.
   * @param since when the search began: milliseconds since the epoch.
   */
  async set(found: readonly ReplacedFile[], since: number): Promise<void> {
    const names = new Set(found.map(({ name }) => name));
    const newer = this.#files.filter(({ name, at }) => at >= since && !names.has(name));
    this.#files = [...found, ...newer];
    await this.sweep();
  }

  /**
   * Keeps an object that is about to be replaced, if the file system has hard links.
   *
   * @param size bytes of its two files.
   * @returns whether its bytes must stay.
   */
  async keep(objectFile: FileName, revision: string, size: number): Promise<boolean> {
    if (this.#options.keepReplacedFor === 0) return false;
    const at = Date.now();
    const name = `${stemOf(objectFile)}.${at}-${revision}.replaced`;
    let isKept = true;
    try {
      await unlessMissing(link(join(this.#directory, objectFile), join(this.#directory, name)));
    } catch (error) {
      // Some file systems without hard links answer EISDIR.
      if (!isUnsupported(error) && !hasCode(error, 'EISDIR')) throw error;
      isKept = false;
    }
    const bytesName = bytesFileName(objectFile, revision);
    if (isKept) this.#files = [...this.#files, { name, bytesName, bytes: size, at }];
    await this.sweep();
    return isKept;
  }

  /** The file names of an object's replaced versions, the latest first. */
  async namesOf(objectFile: FileName): Promise<FileName[]> {
    const files = await this.#filesOf(objectFile);
    return files
      .filter(({ at }) => !hasExpired(at, this.#options.keepReplacedFor))
      .sort((a, b) => b.at - a.at)
      .map(({ name }) => name);
  }

  async drop(objectFile: FileName): Promise<void> {
    for (const file of await this.#filesOf(objectFile)) await this.#remove(file);
  }

  /** Removes known versions that have expired or exceed the budget. */
  async sweep(): Promise<void> {
    const leaving = excessive(this.#files, this.#options);
    for (const file of leaving) await this.#remove(file);
    this.#timer.set(this.#files[0]);
  }

  /** @returns whether there was one. */
  async removeOldest(): Promise<boolean> {
    const [oldest] = this.#files;
    if (oldest === undefined) return false;
    await this.#remove(oldest);
    return true;
  }

  /** Stops the timer. The files stay: clients may go on reading them after a restart. */
  close(): void {
    this.#timer.close();
  }

  /** Also those of other processes. */
  async #filesOf(objectFile: FileName): Promise<UnsizedFile[]> {
    const folder = dirname(objectFile);
    const start = stemOf(objectFile).slice(folder === '.' ? 0 : folder.length + 1);
    const place = { folder: folder === '.' ? '' : `${folder}/`, start: `${start}.` };
    return replacedOf(await filesOf(this.#directory, place));
  }

  /** The bytes stay if a write kept them, and then did not replace them. */
  async #remove({ name, bytesName }: UnsizedFile): Promise<void> {
    this.#files = this.#files.filter((file) => file.name !== name);
    const owner = ownerOfBytes(bytesName);
    const path = owner && join(this.#directory, owner.name);
    const current = path && (await readDescription(path, owner.name));
    await unlessMissing(unlink(join(this.#directory, name)));
    const isStored = typeof current === 'object' && current.object.revision === owner?.revision;
    if (!isStored) await unlessMissing(unlink(join(this.#directory, bytesName)));
    await removeEmptyFolders(this.#directory, name);
  }
}

type UnsizedFile = Omit<ReplacedFile, 'bytes'>;

/**
 * The oldest comes first.
 *
 * @param names all files of the directory.
 */
export async function replacedFiles(
  directory: string,
  names: readonly FileName[],
): Promise<ReplacedFile[]> {
  const files: ReplacedFile[] = [];
  for (const file of replacedOf(names)) {
    const sizes = await Promise.all(
      [file.name, file.bytesName].map((name) => unlessMissing(stat(join(directory, name)))),
    );
    if (sizes[0] === undefined) continue;
    files.push({ ...file, bytes: sizes.reduce((sum, stats) => sum + (stats?.size ?? 0), 0) });
  }
  return files.sort((a, b) => a.at - b.at);
}

/** The replaced versions among files. */
export function replacedOf(names: readonly FileName[]): UnsizedFile[] {
  return names.flatMap((name) => {
    const [, stem, at, revision] = REPLACED.exec(name) ?? [];
    if (stem === undefined || revision === undefined) return [];
    const bytesName = bytesFileName(`${stem}.object`, revision);
    return [{ name, bytesName, at: Number(at) }];
  });
}
