import { link, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../../errors.js';
import { unlessMissing } from '../../fs/errors.js';
import {
  excessive,
  hasExpired,
  type KeepReplaced,
  type Replaced,
  SweepTimer,
} from '../keep-replaced.js';
import { bytesFileName, ownerOfBytes, readDescription, stemOf } from './object-file.js';

/** Errors of file systems that have no hard links. */
const NO_LINKS = ['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EISDIR'];

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
 * Each process removes expired versions, also those of other processes: when it starts, at each
 * replacement, and by a timer.
 */
export class ReplacedFiles {
  readonly #directory: string;
  readonly #options: KeepReplaced;
  readonly #timer: SweepTimer;

  constructor(directory: string, options: KeepReplaced) {
    this.#directory = directory;
    this.#options = options;
    // The next replacement tries again, and reports a failure.
    this.#timer = new SweepTimer(options, () => void this.sweep().catch(() => {}));
  }

  /**
   * Keeps an object that is about to be replaced, if the file system has hard links.
   *
   * @returns whether its bytes must stay.
   */
  async keep(objectFile: string, revision: string): Promise<boolean> {
    if (this.#options.keepReplacedFor === 0) return false;
    const name = `${stemOf(objectFile)}.${Date.now()}-${revision}.replaced`;
    let isKept = true;
    try {
      await unlessMissing(link(join(this.#directory, objectFile), join(this.#directory, name)));
    } catch (error) {
      if (!hasCode(error) || !NO_LINKS.includes(error.code)) throw error;
      isKept = false;
    }
    await this.sweep();
    return isKept;
  }

  /** The file names of an object's replaced versions, the latest first. */
  async namesOf(objectFile: string): Promise<string[]> {
    const files = await listReplaced(this.#directory, `${stemOf(objectFile)}.`);
    return files
      .filter(({ at }) => !hasExpired(at, this.#options.keepReplacedFor))
      .sort((a, b) => b.at - a.at)
      .map(({ name }) => name);
  }

  async drop(objectFile: string): Promise<void> {
    const files = await listReplaced(this.#directory, `${stemOf(objectFile)}.`);
    for (const file of files) await this.#remove(file);
  }

  /** Removes versions that have expired or exceed the budget. */
  async sweep(): Promise<void> {
    const files = await replacedFiles(this.#directory);
    const leaving = excessive(files, this.#options);
    for (const file of leaving) await this.#remove(file);
    this.#timer.set(files.find((file) => !leaving.includes(file)));
  }

  /** Stops the timer. The files stay: clients may go on reading them after a restart. */
  close(): void {
    this.#timer.close();
  }

  async #remove({ name, bytesName }: Pick<ReplacedFile, 'name' | 'bytesName'>): Promise<void> {
    await removeReplaced(this.#directory, { name, bytesName });
  }
}

/** Removes a replaced version. Its bytes stay if a write kept them, and then did not replace them. */
export async function removeReplaced(
  directory: string,
  { name, bytesName }: Pick<ReplacedFile, 'name' | 'bytesName'>,
): Promise<void> {
  const owner = ownerOfBytes(bytesName);
  const current = owner && (await readDescription(join(directory, owner.name), owner.name));
  await unlessMissing(unlink(join(directory, name)));
  const isStored = typeof current === 'object' && current.object.revision === owner?.revision;
  if (!isStored) await unlessMissing(unlink(join(directory, bytesName)));
}

/** The oldest comes first. */
export async function replacedFiles(directory: string): Promise<ReplacedFile[]> {
  const files: ReplacedFile[] = [];
  for (const file of await listReplaced(directory)) {
    const sizes = await Promise.all(
      [file.name, file.bytesName].map((name) => unlessMissing(stat(join(directory, name)))),
    );
    if (sizes[0] === undefined) continue;
    files.push({ ...file, bytes: sizes.reduce((sum, stats) => sum + (stats?.size ?? 0), 0) });
  }
  return files.sort((a, b) => a.at - b.at);
}

/** @param start only names that begin with it. Default: all names. */
export async function listReplaced(
  directory: string,
  start = '',
): Promise<Omit<ReplacedFile, 'bytes'>[]> {
  const names = (await readdir(directory)).filter((name) => name.startsWith(start));
  return names.flatMap((name) => {
    const [, stem, at, revision] = REPLACED.exec(name) ?? [];
    if (stem === undefined || revision === undefined) return [];
    const bytesName = bytesFileName(`${stem}.object`, revision);
    return [{ name, bytesName, at: Number(at) }];
  });
}
