import { inspect } from 'node:util';
import { LRUCache } from 'lru-cache';
import {
  excessive,
  hasExpired,
  type KeepReplaced,
  type Replaced,
  SweepTimer,
} from '../keep-replaced.js';
import type { OpenedObject, OpenOptions, StoredObject } from '../store.js';
import type { S3Bucket } from './bucket.js';
import { copyObject } from './copy.js';
import { statusOf } from './failure.js';
import type { ObjectReader } from './object-reader.js';

/** Before the names of objects, which never begin so. */
const FOLDER = '!replaced/';
/** What revisions of this store look like: safe in a name. */
const REVISION = /^[0-9A-Za-z-]{1,64}$/;

const MAX_REMEMBERED = 1000;

interface ReplacedObject extends Replaced {
  readonly name: string;
}

/**
 * Objects of a bucket that were replaced. Before that each is copied, within the bucket, to
 * `!replaced/{name}/{revision}`, where all processes find it.
 *
 * They go when one of these processes keeps the next one, or by a timer of the process that kept
 * it. All of the bucket is looked through then: one request for each thousand that are there.
 */
export class ReplacedObjects {
  readonly #bucket: S3Bucket;
  readonly #reader: ObjectReader;
  readonly #options: KeepReplaced;
  readonly #timer: SweepTimer;
  /** Revisions that were found: others are looked for where what is stored is. */
  readonly #found = new LRUCache<string, true>({ max: MAX_REMEMBERED });
  #hasWarned = false;

  constructor(bucket: S3Bucket, reader: ObjectReader, options: KeepReplaced) {
    this.#bucket = bucket;
    this.#reader = reader;
    this.#options = options;
    this.#timer = new SweepTimer(options, () => void this.#sweep().catch(this.#warn));
  }

  get areKept(): boolean {
    return this.#options.keepReplacedFor > 0;
  }

  /**
   * Copies what is stored, if it is this revision. Never rejects: a write that can't keep it goes
   * on.
   */
  async keep(key: string, revision: string, signal: AbortSignal): Promise<void> {
    if (!this.areKept || !REVISION.test(revision)) return;
    const { client, name: bucket } = this.#bucket;
    try {
      const from = this.#bucket.nameOf(key);
      const found = await this.#reader.find(from, key, signal);
      if (found?.object.revision !== revision) return;
      const to = this.#folderOf(key) + revision;
      await copyObject(client, { bucket, from, to, head: found.head, signal });
      await this.#sweep();
    } catch (error) {
      // Replaced or deleted meanwhile
      const isGone = [404, 412].includes(statusOf(error) ?? 0);
      if (!signal.aborted && !isGone) this.#warn(error);
    }
  }

  /** The one that was replaced last comes first. */
  async list(key: string, signal: AbortSignal | undefined): Promise<StoredObject[]> {
    if (!this.areKept) return [];
    const { keepReplacedFor } = this.#options;
    const objects = await this.#contents(this.#folderOf(key), signal);
    const names = objects.filter(({ at }) => !hasExpired(at, keepReplacedFor)).reverse();
    const found = await Promise.all(
      names.map(async ({ name }) => {
        const object = (await this.#reader.find(name, key, signal))?.object;
        // Something else may have been there by the time that it was copied.
        return object !== undefined && name.endsWith(`/${object.revision}`) ? [object] : [];
      }),
    );
    for (const { revision } of found.flat()) this.#found.set(revision, true);
    return found.flat();
  }

  /** Whether a revision is known to be here. */
  has(revision: string): boolean {
    return this.#found.has(revision);
  }

  async open(
    key: string,
    revision: string,
    options: OpenOptions,
  ): Promise<OpenedObject | undefined> {
    if (!this.areKept || !REVISION.test(revision)) return undefined;
    const name = this.#folderOf(key) + revision;
    return await this.#reader.open(name, key, { ...options, revision });
  }

  async drop(key: string): Promise<void> {
    if (!this.areKept) return;
    for (const { name } of await this.#contents(this.#folderOf(key)))
      await this.#bucket.delete(name);
  }

  /** Nothing goes by time any more. */
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
  async #contents(folder: string, signal?: AbortSignal | undefined): Promise<ReplacedObject[]> {
    const objects: ReplacedObject[] = [];
    for await (const page of this.#bucket.contents(folder, signal)) {
      for (const { name, size, modifiedAt } of page)
        objects.push({ name, bytes: size, at: modifiedAt });
    }
    return objects.sort((a, b) => a.at - b.at);
  }

  /** Once: it is told to people, and changes nothing for clients that don't read in parts. */
  readonly #warn = (error: unknown): void => {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const detail = inspect(error);
    process.emitWarning('S3Store can not keep, or remove, replaced snapshots', { detail });
  };
}
