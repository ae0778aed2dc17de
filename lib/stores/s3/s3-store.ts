import { CompleteMultipartUploadCommand, type PutObjectCommandInput } from '@aws-sdk/client-s3';
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
} from '../store.js';
import { S3Bucket } from './bucket.js';
import { ConditionalWrites, type Publish, sendPublish } from './conditional-writes.js';
import { MAX_URL_LIFETIME, parseS3Options, type S3StoreConfig } from './config.js';
import { encodeDescription } from './description.js';
import { LargeWrites } from './large-writes.js';
import { isObjectName } from './object-name.js';
import { isOther, ObjectReader, type OpenRest } from './object-reader.js';
import type { PresignOptions, S3StoreOptions } from './options.js';
import { presignObject } from './presign.js';
import { ReplacedObjects } from './replaced-objects.js';
import { upload } from './upload.js';

/** How many objects `list` requests at a time. */
const LISTED_AT_ONCE = 16;
/** Milliseconds for which a finished write waits for the copy of the object that it replaces. */
const MAX_KEEPING = 30_000;

/**
 * Keeps each object as one object of a bucket of S3, or of a server with the same protocol. Any
 * number of processes may share the bucket.
 *
 * - `stat` and `open` make one request. A write makes one, or one for each part and two more if it
 *   is larger than a part. `list` makes one for each thousand objects with the prefix, and one for
 *   each of them.
 * - `storedAt` is when the write began, because the description is sent before the bytes.
 * - The revision is in the metadata, which S3 always returns together with the bytes. S3's own tag
 *   can't be the revision: it is the same for equal bytes.
 * - A write with a condition makes one more request, `HEAD`. The server checks the condition when
 *   it publishes the object, by the tag: it can't tell two revisions with equal bytes apart. The
 *   store can't detect a server that ignores conditions.
 * - While such a write sends its bytes, the object that it replaces is copied within the bucket:
 *   see `ReplacedObjects`.
 * - Without a condition, the last write wins. If two writes of one key overlap and have parts, S3
 *   keeps the write that began last.
 * - It never makes room: use a lifecycle rule of the bucket. If a process died while it wrote,
 *   another rule must remove the parts.
 */
export class S3Store implements SnapshotStore {
  readonly writesConditionally: boolean;
  readonly #config: S3StoreConfig;
  readonly #bucket: S3Bucket;
  readonly #reader: ObjectReader;
  readonly #conditionalWrites: ConditionalWrites;
  readonly #large: LargeWrites;
  readonly #replaced: ReplacedObjects;
  readonly getDownloadUrl?: NonNullable<SnapshotStore['getDownloadUrl']>;

  /** @throws SnapshotError `INVALID_OPTIONS` */
  constructor(options: S3StoreOptions) {
    this.#config = parseS3Options(options);
    this.#bucket = new S3Bucket(this.#config);
    this.#reader = new ObjectReader(this.#bucket);
    const { conditionalWrites, serve, urlLifetime: expiresIn } = this.#config;
    this.#conditionalWrites = new ConditionalWrites(this.#bucket, this.#reader);
    this.#large = new LargeWrites(this.#bucket, this.#reader);
    this.#replaced = new ReplacedObjects(this.#bucket, this.#reader, this.#config);
    this.writesConditionally = conditionalWrites;
    if (serve === 'redirect')
      this.getDownloadUrl = (key, about) => this.presign(key, { ...about, expiresIn });
  }

  async stat(key: string, { signal }: SignalOptions = {}): Promise<StoredObject | undefined> {
    signal?.throwIfAborted();
    return (await this.#reader.find(this.#bucket.nameOf(key), key, signal))?.object;
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject | undefined> {
    options.signal?.throwIfAborted();
    return await this.#open(key, options, (object, rest) =>
      this.#open(key, { ...rest, revision: object.revision }),
    );
  }

  /** @param openRest see `ObjectReader.open`. */
  async #open(
    key: string,
    options: OpenOptions,
    openRest?: OpenRest,
  ): Promise<OpenedObject | undefined> {
    const { revision } = options;
    const openStored = () => this.#reader.open(this.#bucket.nameOf(key), key, options, openRest);
    if (revision === undefined) return await openStored();
    const openReplaced = () => this.#replaced.open(key, options, openRest);
    return this.#replaced.has(revision)
      ? ((await openReplaced()) ?? (await openStored()))
      : ((await openStored()) ?? (await openReplaced()));
  }

  async listReplaced(key: string, { signal }: SignalOptions = {}): Promise<StoredObject[]> {
    const stored = await this.stat(key, { signal });
    if (stored === undefined) return [];
    const replaced = await this.#replaced.list(key, signal);
    // If a write failed, its copy is a copy of the stored object.
    return replaced.filter(({ revision }) => revision !== stored.revision);
  }

  async put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    { metadata, ifRevision, priority = 'normal', signal }: PutOptions = {},
  ): Promise<StoredObject> {
    const description = { key, metadata: { ...metadata }, priority, ...newVersion() };
    let trailer: Buffer = Buffer.alloc(0);
    let size = 0;
    const keeping = new AbortController();
    let kept: Promise<void> | undefined;
    let isPublishing: boolean | undefined;
    /** The name of the bytes, if the object gets a pointer. */
    let large: string | undefined;
    const isConditional = ifRevision !== undefined && this.#config.conditionalWrites;
    const params: PutObjectCommandInput = {
      Bucket: this.#config.bucket,
      Key: this.#bucket.nameOf(key),
      ContentType: 'application/octet-stream',
    };
    const nameParts = async (): Promise<string> => {
      const needsPointer = isConditional && (await this.#conditionalWrites.needPointers());
      if (needsPointer) large = this.#large.nameOf(key, description.revision);
      return large ?? this.#bucket.nameOf(key);
    };
    const publish = async (...[command, options]: Parameters<Publish>): Promise<void> => {
      if (kept !== undefined) await orLater(kept, MAX_KEEPING);
      keeping.abort();
      signal?.throwIfAborted();
      isPublishing = true;
      if (!isConditional) {
        await sendPublish(this.#config.client, command, options);
        return;
      }
      let publishing = command;
      if (large !== undefined && command instanceof CompleteMultipartUploadCommand)
        publishing = await this.#large.complete(command, options, {
          ...description,
          size,
          params,
          trailer,
        });
      const replaced = await this.#conditionalWrites.publish(key, ifRevision, publishing, options);
      await this.#large.remove(replaced.large);
    };
    try {
      signal?.throwIfAborted();
      const encoded = encodeDescription(description);
      trailer = encoded.trailer;
      kept = this.#replaced.keep(key, ifRevision, keeping.signal);
      params.Metadata = encoded.metadata;
      const read = async function* () {
        for await (const chunk of chunksOf(body, signal)) {
          yield chunk;
          size += chunk.length;
        }
        yield trailer;
      };
      await upload(params, read(), { ...this.#config, publish, nameParts, signal });
      if (large !== undefined) void this.#large.sweep();
    } catch (error) {
      endBody(body);
      keeping.abort();
      await kept;
      const isStored = isPublishing ? await this.#isStored(description) : false;
      if (isStored === false) await this.#large.remove(large);
      if (isStored !== true) throw error;
    }
    return { ...description, size };
  }

  async delete(key: string, { signal }: SignalOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    const name = this.#bucket.nameOf(key);
    const found = await this.#reader.find(name, key).catch(unlessStoreFailure);
    await this.#bucket.delete(name);
    await this.#large.remove(found?.large);
    await this.#replaced.drop(key);
  }

  async *list({ prefix = '', signal }: ListOptions = {}): AsyncGenerator<StoredObject> {
    const isWanted = (name: string): boolean =>
      isObjectName(name) && (this.#bucket.keyOf(name) ?? prefix).startsWith(prefix);
    for await (const page of this.#bucket.contents(this.#bucket.nameStart(prefix), signal)) {
      const names = page.map(({ name }) => name).filter(isWanted);
      for (let at = 0; at < names.length; at += LISTED_AT_ONCE) {
        const some = names.slice(at, at + LISTED_AT_ONCE);
        const find = (name: string) => this.#reader.find(name, undefined, signal);
        for (const found of await Promise.all(some.map(find))) {
          if (found?.object.key.startsWith(prefix)) yield found.object;
        }
      }
    }
  }

  /**
   * Makes a URL from which anybody can download the stored object for some time. `undefined` if
   * nothing or another revision than the requested one is stored, or if the S3 object has a
   * trailer: a key and metadata of more than 1.3 KB follow the bytes.
   *
   * The URL serves the object that is stored when a client uses it, unless the bucket keeps
   * versions. It expires with the credentials that signed it, which may be sooner than `expiresIn`.
   *
   * Needs `@aws-sdk/s3-request-presigner`.
   *
   * @throws SnapshotError `INVALID_OPTIONS` when that package is missing
   * @throws RangeError when `expiresIn` is not a whole number from 1 to 604,800.
   */
  async presign(key: string, options: PresignOptions): Promise<string | undefined> {
    const { expiresIn, revision, signal } = options;
    if (!Number.isInteger(expiresIn) || expiresIn < 1 || expiresIn > MAX_URL_LIFETIME) {
      throw new RangeError(`expiresIn: ${expiresIn} is not a whole number from 1 to 604,800`);
    }
    signal?.throwIfAborted();
    const name = this.#bucket.nameOf(key);
    const found = await this.#reader.find(name, key, signal);
    if (found === undefined || isOther(found.object, revision)) return undefined;
    const { large } = found;
    const bytes = large === undefined ? found : await this.#reader.find(large, key, signal);
    if (bytes?.object.size !== bytes?.head.size) return undefined;
    return bytes && presignObject(this.#bucket, large ?? name, bytes.head, options);
  }

  /** Destroys the client if this store made it. That ends bodies that are being read. */
  async close(): Promise<void> {
    this.#replaced.close();
    this.#large.close();
    if (this.#config.ownsClient) this.#config.client.destroy();
  }

  /**
   * Called after a failure: perhaps the object is stored, and only the answer was lost. `undefined`:
   * the server does not tell.
   */
  async #isStored({ key, revision }: Pick<StoredObject, 'key' | 'revision'>) {
    try {
      return (await this.stat(key))?.revision === revision;
    } catch (error) {
      if (SnapshotError.is(error)) return undefined;
      throw error;
    }
  }
}

/** An object that can't be described can be deleted all the same. */
function unlessStoreFailure(error: unknown): undefined {
  if (!SnapshotError.is(error)) throw error;
}
