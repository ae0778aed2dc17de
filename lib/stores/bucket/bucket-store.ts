import { orLater } from '../../async/deadline.js';
import type { SignalOptions } from '../../async/signal-options.js';
import { SnapshotError } from '../../errors.js';
import { chunksOf, endBody } from '../body.js';
import { newVersion } from '../new-version.js';
import type {
  ListOptions,
  OpenedObject,
  OpenOptions,
  PutOptions,
  SnapshotStore,
  StoredObject,
  WriteCondition,
} from '../store.js';
import { isConditionMet, preconditionFailure } from '../write-condition.js';
import type { Bucket, CheckCondition, ListedObject } from './bucket.js';
import { encodeDescription } from './description.js';
import { isObjectName } from './object-name.js';
import { isOther, ObjectReader, type OpenRest } from './object-reader.js';
import type { BucketStoreConfig, PresignOptions } from './options.js';
import { ReplacedObjects } from './replaced-objects.js';
import { MAX_URL_LIFETIME } from './schema.js';

/** How many objects `list` requests at a time. */
const LISTED_AT_ONCE = 16;
/** Milliseconds for which a finished write waits for the copy of the object that it replaces. */
const MAX_KEEPING = 30_000;

/**
 * Keeps each object as one object of a bucket. Any number of processes may share the bucket.
 *
 * - `storedAt` is when the write began, because the description is sent before the bytes.
 * - The revision is in the metadata, which the server always returns together with the bytes.
 * - A write with a condition makes one more request: it reads the stored revision.
 * - While such a write sends its bytes, the object that it replaces is copied within the bucket:
 *   see `ReplacedObjects`.
 * - It never makes room: use a lifecycle rule of the bucket.
 */
export abstract class BucketStore implements SnapshotStore {
  readonly writesConditionally: boolean = true;
  readonly #bucket: Bucket;
  readonly #reader: ObjectReader;
  readonly #replaced: ReplacedObjects;
  readonly getDownloadUrl?: NonNullable<SnapshotStore['getDownloadUrl']>;

  /** @internal */
  protected constructor(bucket: Bucket, config: BucketStoreConfig) {
    this.#bucket = bucket;
    this.#reader = new ObjectReader(bucket);
    this.#replaced = new ReplacedObjects(bucket, this.#reader, config);
    const { serve, urlLifetime: expiresIn } = config;
    if (serve === 'redirect')
      this.getDownloadUrl = (key, about) => this.presign(key, { ...about, expiresIn });
  }

  async stat(key: string, { signal }: SignalOptions = {}): Promise<StoredObject | undefined> {
    signal?.throwIfAborted();
    return await this.#named('stat', key, async () => {
      return (await this.#reader.find(this.#bucket.nameOf(key), key, signal))?.object;
    });
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject | undefined> {
    options.signal?.throwIfAborted();
    const openRest: OpenRest = (object, rest) =>
      this.#open(key, { ...rest, revision: object.revision });
    return await this.#named('open', key, () => this.#open(key, options, openRest));
  }

  /** @param openRest see `ObjectReader.open`. */
  async #open(
    key: string,
    options: OpenOptions,
    openRest?: OpenRest,
  ): Promise<OpenedObject | undefined> {
    const { revision } = options;
    const openStored = () => this.#reader.open(this.#bucket.nameOf(key), key, options, openRest);
    const openReplaced = () => this.#replaced.open(key, options, openRest);
    if (revision === undefined) return await openStored();
    return this.#replaced.has(revision)
      ? ((await openReplaced()) ?? (await openStored()))
      : ((await openStored()) ?? (await openReplaced()));
  }

  async listReplaced(key: string, { signal }: SignalOptions = {}): Promise<StoredObject[]> {
    const stored = await this.stat(key, { signal });
    if (stored === undefined) return [];
    const replaced = await this.#named('listReplaced', key, () => this.#replaced.list(key, signal));
    // If a write failed, its copy is a copy of the stored object.
    return replaced.filter(({ revision }) => revision !== stored.revision);
  }

  async put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    { metadata, ifRevision, priority = 'normal', signal }: PutOptions = {},
  ): Promise<StoredObject> {
    const description = { key, metadata: { ...metadata }, priority, ...newVersion() };
    let size = 0;
    const keeping = new AbortController();
    let kept: Promise<void> | undefined;
    let isPublishing = false;
    try {
      signal?.throwIfAborted();
      const { metadata: userMetadata, trailer } = encodeDescription(description);
      kept = this.#replaced.keep(key, ifRevision, keeping.signal);
      const read = async function* () {
        for await (const chunk of chunksOf(body, signal)) {
          yield chunk;
          size += chunk.length;
        }
        yield trailer;
      };
      const publishing = async () => {
        if (kept !== undefined) await orLater(kept, MAX_KEEPING);
        keeping.abort();
        signal?.throwIfAborted();
        isPublishing = true;
      };
      const name = this.#bucket.nameOf(key);
      const checkCondition = this.#checkOf(key, name, ifRevision);
      const { revision } = description;
      const about = { key, name, metadata: userMetadata, revision, trailer };
      const write = { ...about, checkCondition, publishing, signal };
      await this.#named('put', key, () => this.#bucket.write(write, read()));
    } catch (error) {
      endBody(body);
      keeping.abort();
      await kept;
      if (!isPublishing || !(await this.#isStored(description))) throw error;
    }
    return { ...description, size };
  }

  async delete(key: string, { signal }: SignalOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    await this.#named('delete', key, async () => {
      const name = this.#bucket.nameOf(key);
      const large = await this.#reader.pointedBy(name);
      await this.#bucket.delete(name);
      if (large !== undefined) await this.#bucket.delete(large);
      await this.#replaced.drop(key);
    });
  }

  async *list({ prefix = '', signal }: ListOptions = {}): AsyncGenerator<StoredObject> {
    const isWanted = ({ name }: ListedObject): boolean =>
      isObjectName(name) && (this.#bucket.keyOf(name) ?? prefix).startsWith(prefix);
    const find = (one: ListedObject) =>
      this.#named('list', prefix, () => this.#reader.findListed(one, signal));
    const pages = this.#bucket.contents(this.#bucket.nameStart(prefix), signal);
    for (;;) {
      const page = await this.#named('list', prefix, () => pages.next());
      if (page.done) return;
      const wanted = page.value.filter(isWanted);
      for (let at = 0; at < wanted.length; at += LISTED_AT_ONCE) {
        const some = wanted.slice(at, at + LISTED_AT_ONCE);
        for (const object of await Promise.all(some.map(find))) {
          if (object?.key.startsWith(prefix)) yield object;
        }
      }
    }
  }

  /**
   * Makes a URL from which anybody can download the stored object for some time. `undefined` if
   * nothing or another revision than the requested one is stored, or if the object has a trailer: a
   * key and metadata of more than 1.3 KB follow the bytes.
   *
   * The URL serves the object that is stored when a client uses it; in a bucket of S3 that keeps
   * versions, the one that was stored when it was made. It expires with the credentials that signed
   * it, which may be sooner than `expiresIn`.
   *
   * @throws SnapshotError `INVALID_OPTIONS` when a package that signs is missing
   * @throws RangeError when `expiresIn` is not a whole number from 1 to 604,800.
   */
  async presign(key: string, options: PresignOptions): Promise<string | undefined> {
    const { expiresIn, revision, signal } = options;
    if (!Number.isInteger(expiresIn) || expiresIn < 1 || expiresIn > MAX_URL_LIFETIME) {
      throw new RangeError(`expiresIn: ${expiresIn} is not a whole number from 1 to 604,800`);
    }
    signal?.throwIfAborted();
    const name = this.#bucket.nameOf(key);
    return await this.#named('presign', key, async () => {
      const found = await this.#reader.find(name, key, signal);
      if (found === undefined || isOther(found.object, revision)) return undefined;
      const { large } = found;
      const bytes = large === undefined ? found : await this.#reader.find(large, key, signal);
      if (bytes === undefined || bytes.object.size !== bytes.head.size) return undefined;
      return await this.#bucket.sign(large ?? name, bytes.head, options);
    });
  }

  /** Stops the timer. */
  async close(): Promise<void> {
    this.#replaced.close();
    this.#bucket.close();
  }

  #checkOf(key: string, name: string, ifRevision: WriteCondition): CheckCondition | undefined {
    if (ifRevision === undefined) return undefined;
    return async (signal) => {
      const { head, object } = await this.#reader.look(name, key, signal);
      if (!isConditionMet(object, ifRevision)) throw preconditionFailure(key);
      return head;
    };
  }

  /** Called after a failure: perhaps the object is stored, and only the answer was lost. */
  async #isStored({ key, revision }: Pick<StoredObject, 'key' | 'revision'>): Promise<boolean> {
    try {
      return (await this.stat(key))?.revision === revision;
    } catch (error) {
      if (SnapshotError.is(error)) return false;
      throw error;
    }
  }

  /** Names bucket, operation and key in the failures of the work. */
  async #named<T>(operation: string, key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!SnapshotError.is(error, 'STORE_FAILED', 'STORE_BUSY', 'STORAGE_FULL')) throw error;
      const { code, message, retryAfter } = error;
      const cause = error.cause ?? error;
      const what = `${operation} of ${JSON.stringify(key)} in ${this.#bucket.title}`;
      throw new SnapshotError(code, `${what}: ${message}`, { cause, retryAfter });
    }
  }
}
