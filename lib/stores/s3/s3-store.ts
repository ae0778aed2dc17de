import { randomUUID } from 'node:crypto';
import { orLater } from '../../async/deadline.js';
import { SnapshotError } from '../../errors.js';
import { TargetWriter } from '../object-writer.js';
import type {
  CreateOptions,
  ListOptions,
  Metadata,
  ObjectWriter,
  OpenedObject,
  OpenOptions,
  SnapshotStore,
  StoreAbilities,
  StoredObject,
} from '../store.js';
import { S3Bucket } from './bucket.js';
import { ConditionalWrites } from './conditional-writes.js';
import { type Description, encodeDescription } from './description.js';
import { isOther, ObjectReader } from './object-reader.js';
import { parseS3Options, type S3StoreConfig, type S3StoreOptions } from './options.js';
import { type PresignOptions, presignObject } from './presign.js';
import { ReplacedObjects } from './replaced-objects.js';
import { ObjectUpload, type Publish } from './upload.js';

/** Objects that `list` asks for at a time. */
const LISTED_AT_ONCE = 16;
/** Milliseconds for which a finished write waits for the copy of what it replaces. */
const MAX_KEEPING = 30_000;

interface SignalOption {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Keeps each object as one object of a bucket of S3, or of a server that speaks its protocol. Any
 * number of processes may share it.
 *
 * - `stat` and `open` are one request. A write is one, or one for each part and two more when it is
 *   larger than a part. `list` is one for each thousand objects, and one for each that matches or
 *   whose name does not tell.
 * - `storedAt` is when the write began: what describes an object is sent before its bytes.
 * - The revision is in the metadata, of which S3 answers those that belong to the bytes. Its own
 *   tag would not do: it is the same for equal bytes.
 * - A write that names what it replaces is one request more, `HEAD`. The server judges its
 *   condition in the step that publishes the object, by the tag: it takes a revision of the same
 *   bytes for the same. A server that ignores conditions can't be told from one that judges them.
 * - What such a write replaces is copied within the bucket, while its own bytes are sent: see
 *   `ReplacedObjects`.
 * - Without that, whoever commits last wins. With S3 that is the write that began last, if two of
 *   one key overlap and have parts.
 * - It never makes room: leave that to a lifecycle rule of the bucket. One is needed for the parts
 *   of writes that died with their process too.
 */
export class S3Store implements SnapshotStore {
  readonly abilities: StoreAbilities;
  readonly #config: S3StoreConfig;
  readonly #bucket: S3Bucket;
  readonly #reader: ObjectReader;
  readonly #conditionalWrites: ConditionalWrites;
  readonly #replaced: ReplacedObjects;
  readonly urlOf?: NonNullable<SnapshotStore['urlOf']>;

  /** @throws SnapshotError `INVALID_OPTIONS` */
  constructor(options: S3StoreOptions) {
    this.#config = parseS3Options(options);
    this.#bucket = new S3Bucket(this.#config);
    this.#reader = new ObjectReader(this.#bucket);
    const { client, conditionalWrites, serve, urlLifetime: expiresIn } = this.#config;
    this.#conditionalWrites = new ConditionalWrites(client, this.#reader);
    this.#replaced = new ReplacedObjects(this.#bucket, this.#reader, this.#config);
    this.abilities = {
      adoptsFiles: false,
      persistent: true,
      ranksObjects: true,
      writesConditionally: conditionalWrites,
      keepsReplaced: this.#replaced.areKept,
    };
    if (serve === 'redirect')
      this.urlOf = (key, about) => this.presign(key, { ...about, expiresIn });
  }

  async stat(key: string, { signal }: SignalOption = {}): Promise<StoredObject | undefined> {
    signal?.throwIfAborted();
    return (await this.#reader.find(this.#bucket.nameOf(key), key, signal))?.object;
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject | undefined> {
    const { revision, signal } = options;
    signal?.throwIfAborted();
    const openStored = () => this.#reader.open(this.#bucket.nameOf(key), key, options);
    if (revision === undefined) return await openStored();
    const openReplaced = () => this.#replaced.open(key, revision, options);
    return this.#replaced.has(revision)
      ? ((await openReplaced()) ?? (await openStored()))
      : ((await openStored()) ?? (await openReplaced()));
  }

  async replaced(key: string, { signal }: SignalOption = {}): Promise<StoredObject[]> {
    const stored = await this.stat(key, { signal });
    if (stored === undefined) return [];
    const replaced = await this.#replaced.list(key, signal);
    // A copy that was made for a write that failed is of what is still stored.
    return replaced.filter(({ revision }) => revision !== stored.revision);
  }

  async create(
    key: string,
    metadata: Metadata,
    { signal, expendable = false, replaces }: CreateOptions = {},
  ): Promise<ObjectWriter> {
    signal?.throwIfAborted();
    const description: Description = {
      key,
      revision: randomUUID(),
      storedAt: Date.now(),
      metadata: { ...metadata },
      expendable,
    };
    const { metadata: userMetadata, trailer } = encodeDescription(description);
    const params = {
      Bucket: this.#config.bucket,
      Key: this.#bucket.nameOf(key),
      Metadata: userMetadata,
      ContentType: 'application/octet-stream',
    };
    const publish: Publish | undefined =
      replaces === undefined || !this.#config.conditionalWrites
        ? undefined
        : (...sent) => this.#conditionalWrites.publish(key, replaces, ...sent);
    const upload = new ObjectUpload(this.#config.client, params, { ...this.#config, publish });
    const keeping = new AbortController();
    const kept =
      typeof replaces === 'string'
        ? this.#replaced.keep(key, replaces, keeping.signal)
        : Promise.resolve();
    let size = 0;
    const target = {
      append: async (chunk: Uint8Array) => {
        await upload.append(chunk);
        size += chunk.length;
      },
      publish: async () => {
        const object = { ...description, size };
        try {
          if (trailer.length > 0) await upload.append(trailer);
          await orLater(kept, MAX_KEEPING);
          keeping.abort();
          await upload.finish();
        } catch (error) {
          if (!(await this.#isStored(object))) throw error;
        }
        return object;
      },
      discard: async () => {
        keeping.abort();
        await upload.discard();
        await kept;
      },
    };
    return new TargetWriter(target, signal);
  }

  async delete(key: string): Promise<void> {
    await this.#bucket.delete(this.#bucket.nameOf(key));
    await this.#replaced.drop(key);
  }

  async *list({ matching = () => true }: ListOptions = {}): AsyncGenerator<StoredObject> {
    const isWanted = (name: string): boolean => {
      const key = this.#bucket.keyOf(name);
      return key === undefined || matching(key);
    };
    for await (const page of this.#bucket.list()) {
      const names = page.filter(isWanted);
      for (let at = 0; at < names.length; at += LISTED_AT_ONCE) {
        const some = names.slice(at, at + LISTED_AT_ONCE);
        const found = await Promise.all(some.map((name) => this.#reader.find(name)));
        for (const one of found) if (one !== undefined) yield one.object;
      }
    }
  }

  /**
   * A URL from which anybody can download what is stored, and nothing else, for some time;
   * `undefined` when nothing, or another revision than the one asked for, is stored, or when S3 has
   * more than its bytes under that name: key and metadata of more than 1.3 KB are with them.
   *
   * It gives what is stored when it is used, unless the bucket keeps versions. The signature ends
   * with the credentials that it was made with, which may be sooner than `expiresIn`.
   *
   * Needs `@aws-sdk/s3-request-presigner`.
   *
   * @throws SnapshotError `INVALID_OPTIONS` when that package is missing
   * @throws RangeError when `expiresIn` is not a whole number from 1 to 604,800.
   */
  async presign(key: string, options: PresignOptions): Promise<string | undefined> {
    const { expiresIn, revision, signal } = options;
    if (!Number.isInteger(expiresIn) || expiresIn < 1 || expiresIn > 604_800) {
      throw new RangeError(`expiresIn: ${expiresIn} is not a whole number from 1 to 604,800`);
    }
    signal?.throwIfAborted();
    const name = this.#bucket.nameOf(key);
    const found = await this.#reader.find(name, key, signal);
    if (found === undefined || isOther(found.object, revision)) return undefined;
    if (found.object.size !== found.head.size) return undefined;
    return presignObject(this.#bucket, name, found.head, options);
  }

  /** Bodies that are being read from a client made here end with it. */
  async close(): Promise<void> {
    this.#replaced.close();
    if (this.#config.ownsClient) this.#config.client.destroy();
  }

  /** A failure may mean that only the answer was lost. */
  async #isStored({ key, revision }: StoredObject): Promise<boolean> {
    try {
      return (await this.stat(key))?.revision === revision;
    } catch (error) {
      if (error instanceof SnapshotError) return false;
      throw error;
    }
  }
}
