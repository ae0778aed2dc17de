import { createHash } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, isDamage, type SnapshotError, toSnapshotError } from '../../errors.js';
import { prepareDirectory, temporaryName } from '../../fs/temporary.js';
import { type RepositoryId, repositoryKey } from '../../repository/identity.js';
import { inspectMirror } from './integrity.js';
import type { MirrorRevision } from './revision.js';
import { isOutdated, readRevision } from './revision-file.js';

/** Another process may publish a revision each time. */
const MAX_ATTEMPTS = 5;

/** A mirror as it lies on disk. */
export interface FoundMirror {
  readonly revision: MirrorRevision;
  /** Of its packs and their idx files. */
  readonly bytes: number;
}

/** The directory that all mirrors lie in. Other processes may use it, too. */
export class MirrorDirectory {
  readonly #path: string;
  readonly #onBroken: (repository: RepositoryId, error: SnapshotError) => void;
  /** By place: what is being removed from there. */
  readonly #discarding = new Map<string, Promise<void>>();

  /** @param onBroken is told of mirrors that are not whole any more. */
  constructor(path: string, onBroken: (repository: RepositoryId, error: SnapshotError) => void) {
    this.#path = path;
    this.#onBroken = onBroken;
  }

  /** Makes the directory, and removes from it what a crash left. */
  async prepare(): Promise<void> {
    await prepareDirectory(this.#path);
  }

  /** Where mirrors may lie. */
  async places(): Promise<string[]> {
    const names = await readdir(this.#path);
    return names.filter((name) => name.endsWith('.git')).map((name) => join(this.#path, name));
  }

  placeOf(repository: RepositoryId): string {
    return join(this.#path, directoryName(repositoryKey(repository)));
  }

  /**
   * The mirror at a place; `undefined` when there is none. What lies there and is no mirror, is not
   * whole, or belongs elsewhere, is discarded.
   *
   * @throws SnapshotError when it can't be read, or removed, at the moment.
   */
  async find(place: string): Promise<FoundMirror | undefined> {
    // It would be found, and then be gone.
    await this.#discarding.get(place)?.catch(() => {});
    for (let attempt = 1; ; attempt++) {
      const revision = await readRevision(place).catch((error: unknown) => {
        if (isDamage(error)) return undefined;
        throw error;
      });
      if (revision === undefined || this.placeOf(revision.repository) !== place) break;
      try {
        return { revision, bytes: await inspectMirror(place, revision) };
      } catch (error) {
        if (!isDamage(error)) throw error;
        // Another process may have gone on, and removed what this one named.
        if (attempt < MAX_ATTEMPTS && (await isOutdated(place, revision))) continue;
        this.#onBroken(revision.repository, error);
        break;
      }
    }
    await this.discard(place);
    return undefined;
  }

  /**
   * Removes what lies at a place: in one step to everybody else, who may be putting a mirror there. Who
   * looks there from now on finds the next one.
   *
   * @param turn waits for those who are changing files there.
   * @throws SnapshotError when that can't be done.
   */
  async discard(
    place: string,
    turn: (discard: () => Promise<void>) => Promise<void> = (discard) => discard(),
  ): Promise<void> {
    const done = turn(() => this.#discard(place));
    this.#discarding.set(place, done);
    try {
      await done;
    } finally {
      if (this.#discarding.get(place) === done) this.#discarding.delete(place);
    }
  }

  async #discard(place: string): Promise<void> {
    const aside = join(this.#path, temporaryName('discarded'));
    try {
      await rename(place, aside);
      await rm(aside, { recursive: true, force: true });
    } catch (error) {
      if (!hasCode(error) || error.code !== 'ENOENT') throw toSnapshotError(error);
    }
  }
}

/** A readable part of the key, and a hash that no two keys share. */
function directoryName(key: string): string {
  const readable = key.replace(/[^a-z0-9.-]+/gi, '-').slice(0, 100);
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 16);
  return `${readable}-${hash}.git`;
}
