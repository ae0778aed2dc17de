import { createHash } from 'node:crypto';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SingleFlight, type Turn } from '../../async/single-flight.js';
import {
  hasCode,
  isDamage,
  type SnapshotError,
  systemCode,
  toSnapshotError,
} from '../../errors.js';
import { unlessMissing } from '../../fs/errors.js';
import { replace } from '../../fs/replace.js';
import { prepareDirectory, removeTree, temporaryName } from '../../fs/temporary.js';
import { type RepositoryId, repositoryKey } from '../../repository.js';
import { sweep } from './gc.js';
import { isShownToGit } from './git-view.js';
import { inspectMirror } from './integrity.js';
import { readLastUsed } from './last-used.js';
import { showCurrent } from './publish.js';
import { MAX_ATTEMPTS, type MirrorRevision } from './revision.js';
import {
  isSuperseded,
  parseRevision,
  readRevision,
  removeRevision,
  revisionNumber,
  revisionNumbers,
} from './revision-file.js';
import type { SurveyedMirror } from './survey.js';

export interface FoundMirror {
  readonly revision: MirrorRevision;
  /** Bytes of its packs and their idx files. */
  readonly bytes: number;
  /** When a client last requested the repository: milliseconds since the epoch. */
  readonly usedAt?: number | undefined;
}

/** The directory that holds all mirrors. Other processes may use it at the same time. */
export class MirrorDirectory {
  readonly #path: string;
  readonly #onBroken: (repository: RepositoryId, error: SnapshotError) => void;
  readonly #removals = new SingleFlight<void>();

  /** @param onBroken called for each mirror that is removed because it is damaged. */
  constructor(path: string, onBroken: (repository: RepositoryId, error: SnapshotError) => void) {
    this.#path = path;
    this.#onBroken = onBroken;
  }

  /** Creates the directory, removes leftovers of crashed processes, and finds possible mirrors. */
  async prepare(): Promise<string[]> {
    await prepareDirectory(this.#path);
    const names = await readdir(this.#path);
    return names.filter((name) => name.endsWith('.git')).map((name) => join(this.#path, name));
  }

  pathOf(repository: RepositoryId): string {
    return join(this.#path, directoryName(repositoryKey(repository)));
  }

  /**
   * Finds the mirror at a path; `undefined` when there is none. Removes a damaged mirror, and any
   * other file.
   *
   * @throws SnapshotError when it can't be read or removed at the moment.
   */
  async find(path: string): Promise<FoundMirror | undefined> {
    // Waits for removals: otherwise this could find a mirror that then vanishes.
    await this.#removals.ended(path);
    // Otherwise this could remove a mirror that another process is just putting there.
    if (!(await this.has(path))) return undefined;
    for (let attempt = 1; ; attempt++) {
      const revision = await readRevision(path).catch((error: unknown) => {
        if (isDamage(error)) return undefined;
        throw error;
      });
      if (revision === undefined || this.pathOf(revision.repository) !== path) break;
      try {
        const bytes = await inspectMirror(path, revision);
        return { revision, bytes, usedAt: await readLastUsed(path) };
      } catch (error) {
        if (!isDamage(error)) throw error;
        // Another process may have published a later revision, and removed files of this one.
        const read = { directory: path, revision };
        if (attempt < MAX_ATTEMPTS && (await isSuperseded(read))) continue;
        this.#onBroken(revision.repository, error);
        break;
      }
    }
    await this.remove(path);
    return undefined;
  }

  /**
   * As `find`, after a start. Also completes changes that a crash left unfinished.
   *
   * @throws SnapshotError, and system errors, when the mirror can't be read at the moment.
   */
  async recover(path: string): Promise<FoundMirror | undefined> {
    const found = await this.find(path);
    // Another caller may evict the mirror at the same time.
    if (found !== undefined) await unlessMissing(completeChanges(path, found.revision));
    return found;
  }

  /** The mirror that a survey has found at a path; `undefined`: it needs a closer look. */
  surveyed(path: string, { file, text, bytes, usedAt }: SurveyedMirror): FoundMirror | undefined {
    const number = revisionNumber(file);
    if (number === undefined) return undefined;
    try {
      const revision = { ...parseRevision(text, path), number };
      return this.pathOf(revision.repository) === path ? { revision, bytes, usedAt } : undefined;
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }

  /** Whether there is a mirror or file at a path. */
  async has(path: string): Promise<boolean> {
    const stats = await unlessMissing(lstat(path)).catch((error: unknown) => {
      throw toSnapshotError(error);
    });
    return stats !== undefined;
  }

  /**
   * Removes the mirror or file at a path. Other processes see it vanish in one step.
   *
   * @param turn delays the removal until no files are being changed there.
   * @throws SnapshotError when it can't be removed.
   */
  async remove(path: string, turn?: Turn): Promise<void> {
    await this.#removals.joinNext(path, () => this.#remove(path), turn);
  }

  async #remove(path: string): Promise<void> {
    const removed = join(this.#path, temporaryName('removed'));
    try {
      const renamed = await replace(path, removed).then(
        () => removed,
        async (error: unknown) => {
          if (!hasCode(error, 'EXDEV')) throw error;
          // overlayfs can't rename a directory of a lower layer, such as of a container's image.
          await removeRevisions(path);
          return path;
        },
      );
      await removeTree(renamed);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw toSnapshotError(error);
    }
  }
}

/** Other processes see no mirror when its current revision, the last to go, is gone. */
async function removeRevisions(mirror: string): Promise<void> {
  for (const number of await revisionNumbers(mirror)) await removeRevision(mirror, number);
}

async function completeChanges(mirror: string, revision: MirrorRevision): Promise<void> {
  await sweep(mirror, revision, [revision]);
  if (!(await isShownToGit(mirror, revision))) await showCurrent(mirror, revision);
}

/** A readable part of the key, and a hash that differs for each key. */
function directoryName(key: string): string {
  const readable = key.replace(/[^a-z0-9.-]+/gi, '-').slice(0, 100);
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 16);
  return `${readable}-${hash}.git`;
}
