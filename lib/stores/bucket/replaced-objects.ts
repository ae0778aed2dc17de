import { inspect } from 'node:util';
import { recentlyUsed } from '../../async/recently-used.js';
import {
  excessive,
  hasExpired,
  type KeepReplaced,
  type Replaced,
  SweepTimer,
} from '../keep-replaced.js';
import type { OpenedObject, OpenOptions, StoredObject, WriteCondition } from '../store.js';
import type { Bucket } from './bucket.js';
import type { ObjectReader, OpenRest } from './object-reader.js';

/** Comes before the names of replaced objects. No other object's name begins with it. */
const FOLDER = '!replaced/';
/** The form of this store's revisions, which is safe in a name. */
const REVISION = /^[0-9A-Za-z-]{1,64}$/;

const MAX_REMEMBERED = 1000;

interface ReplacedObject extends Replaced {
  readonly name: string;
}

/**
 * The replaced versions of objects in a bucket. Before an object is replaced, it is copied within
 * the bucket to `!replaced/{name}/{revision}`, where all processes find it.
 *
 * A process that keeps versions removes expired ones: when it keeps the next one, and by a timer.
 * For that, it lists all replaced versions in the bucket: one request for each thousand.
 */
export class ReplacedObjects {
  readonly #bucket: Bucket;
  readonly #reader: ObjectReader;
  readonly #options: KeepReplaced;
  readonly #timer: SweepTimer;
  /** Revisions that `list` found. For any other revision, `open` tries the stored object first. */
  readonly #found = recentlyUsed<string, true>(MAX_REMEMBERED);
  #hasWarned = false;

  constructor(bucket: Bucket, reader: ObjectReader, options: KeepReplaced) {
    this.#bucket = bucket;
    this.#reader = reader;
    this.#options = options;
    this.#timer = new SweepTimer(options, () => void this.#sweep().catch(this.#warn));
  }

  get areKept(): boolean {
    return this.#options.keepReplacedFor > 0;
  }

  /** Copies the stored object if it has this revision. Never rejects: a copy is optional. */
  async keep(key: string, revision: WriteCondition, signal: AbortSignal): Promise<void> {
    if (!this.areKept || !isRevision(revision)) return;
    try {
      const from = this.#bucket.nameOf(key);
      const found = await this.#reader.find(from, key, signal);
      if (found?.object.revision !== revision) return;
      const to = this.#folderOf(key) + revision;
      const { large } = found;
      const bytes = large === undefined ? found : await this.#reader.find(large, key, signal);
      if (bytes === undefined) return;
      await this.#bucket.copy(large ?? from, to, bytes.head, signal);
      await this.#sweep();
    } catch (error) {
      if (!signal.aborted) this.#warn(error);
    }
  }

  /** The latest replaced first. */
  async list(key: string, signal: AbortSignal | undefined): Promise<StoredObject[]> {
    if (!this.areKept) return [];
    const { keepReplacedFor } = this.#options;
    const objects = await this.#contents(this.#folderOf(key), signal);
    const names = objects.filter(({ at }) => !hasExpired(at, keepReplacedFor)).reverse();
    const found = await Promise.all(
      names.map(async ({ name }) => {
        const object = (await this.#reader.find(name, key, signal))?.object;
        // The object may have been replaced before it was copied.
        return object !== undefined && name.endsWith(`/${object.revision}`) ? [object] : [];
      }),
    );
    for (const { revision } of found.flat()) this.#found.set(revision, true);
    return found.flat();
  }

  /** Whether a revision is known to be a replaced one. */
  has(revision: string): boolean {
    return this.#found.has(revision);
  }

  async open(
    key: string,
    options: OpenOptions,
    openRest?: OpenRest,
  ): Promise<OpenedObject | undefined> {
    const { revision } = options;
    if (!this.areKept || !isRevision(revision)) return undefined;
    return await this.#reader.open(this.#folderOf(key) + revision, key, options, openRest);
  }

  async drop(key: string): Promise<void> {
    if (!this.areKept) return;
    for (const { name } of await this.#contents(this.#folderOf(key)))
      await this.#bucket.delete(name);
  }

  /** Stops the timer. */
  close(): void {
    this.#timer.close();
  }

  async #sweep(): Promise<void> {
    const objects = await this.#contents(this.#bucket.prefix + FOLDER);
    const leaving = new Set(excessive(objects, this.#options));
    for (const { name } of leaving) await this.#bucket.delete(name);
    this.#timer.set(objects.find((object) => !leaving.has(object)));
  }

  #folderOf(key: string): string {
    const { prefix } = this.#bucket;
    return `${prefix}${FOLDER}${this.#bucket.nameOf(key).slice(prefix.length)}/`;
  }

  /** The oldest comes first. */
  async #contents(folder: string, signal?: AbortSignal): Promise<ReplacedObject[]> {
    const objects: ReplacedObject[] = [];
    for await (const page of this.#bucket.contents(folder, signal)) {
      for (const { name, size, modifiedAt } of page)
        objects.push({ name, bytes: size, at: modifiedAt });
    }
    return objects.sort((a, b) => a.at - b.at);
  }

  /** Warns once, because clients that don't read in parts are not affected. */
  readonly #warn = (error: unknown): void => {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const detail = inspect(error);
    const message = `failed to keep or remove replaced snapshots in ${this.#bucket.title}`;
    process.emitWarning(message, { detail });
  };
}

function isRevision(revision: WriteCondition): revision is string {
  return typeof revision === 'string' && REVISION.test(revision);
}
