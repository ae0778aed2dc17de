import { randomBytes } from 'node:crypto';
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

/** Errors of file systems that have no hard links. */
const NO_LINKS = ['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EISDIR'];

const OBJECT = /\.object$/;
/** `{name of the object file, without its ending}.{when: ms since the epoch}-{random}.replaced` */
const REPLACED = /\.(\d{1,16})-[0-9a-f]{8}\.replaced$/;

export interface ReplacedFile extends Replaced {
  readonly name: string;
}

/**
 * The replaced versions of objects. Before an object file is replaced, it gets a second name (a
 * hard link). That costs no copy, holds no descriptor, and serves all processes that share the
 * directory, also after a restart. The name tells when the version was replaced.
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

  /** Keeps the content of an object file, if the file system has hard links. */
  async keep(objectFile: string): Promise<void> {
    if (this.#options.keepReplacedFor === 0) return;
    const suffix = `${Date.now()}-${randomBytes(4).toString('hex')}.replaced`;
    const name = objectFile.replace(OBJECT, `.${suffix}`);
    try {
      await unlessMissing(link(join(this.#directory, objectFile), join(this.#directory, name)));
    } catch (error) {
      if (!hasCode(error) || !NO_LINKS.includes(error.code)) throw error;
    }
    await this.sweep();
  }

  /** The file names of an object's replaced versions, the latest first. */
  async namesOf(objectFile: string): Promise<string[]> {
    const files = await listReplaced(this.#directory, objectFile.replace(OBJECT, '.'));
    return files
      .filter(({ at }) => !hasExpired(at, this.#options.keepReplacedFor))
      .sort((a, b) => b.at - a.at)
      .map(({ name }) => name);
  }

  async drop(objectFile: string): Promise<void> {
    const files = await listReplaced(this.#directory, objectFile.replace(OBJECT, '.'));
    for (const { name } of files) await this.#remove(name);
  }

  /** Removes versions that have expired or exceed the budget. */
  async sweep(): Promise<void> {
    const files = await replacedFiles(this.#directory);
    const leaving = excessive(files, this.#options);
    for (const { name } of leaving) await this.#remove(name);
    this.#timer.set(files.find((file) => !leaving.includes(file)));
  }

  /** Stops the timer. The files stay: clients may go on reading them after a restart. */
  close(): void {
    this.#timer.close();
  }

  async #remove(name: string): Promise<void> {
    await unlessMissing(unlink(join(this.#directory, name)));
  }
}

/** The oldest comes first. */
export async function replacedFiles(directory: string): Promise<ReplacedFile[]> {
  const files: ReplacedFile[] = [];
  for (const { name, at } of await listReplaced(directory)) {
    const stats = await unlessMissing(stat(join(directory, name)));
    if (stats !== undefined) files.push({ name, bytes: stats.size, at });
  }
  return files.sort((a, b) => a.at - b.at);
}

/** @param start only names that begin with it. Default: all names. */
async function listReplaced(directory: string, start = ''): Promise<Omit<ReplacedFile, 'bytes'>[]> {
  const found = (await unlessMissing(readdir(directory))) ?? [];
  const names = found.filter((name) => name.startsWith(start));
  return names.flatMap((name) => {
    const [, at] = REPLACED.exec(name) ?? [];
    return at === undefined ? [] : [{ name, at: Number(at) }];
  });
}
