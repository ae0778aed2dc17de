import { BucketStore } from '../bucket/bucket-store.js';
import { S3Bucket } from './bucket.js';
import { parseS3Options, type S3StoreConfig } from './config.js';
import type { S3StoreOptions } from './options.js';

/**
 * Keeps each object as one object of a bucket of S3, or of a server with the same protocol. Any
 * number of processes may share the bucket.
 *
 * - `stat` and `open` make one request. A write makes one, or one for each part and two more if it
 *   is larger than a part. `list` makes one for each thousand objects with the prefix, and one for
 *   each of them.
 * - S3's own tag can't be the revision: it is the same for equal bytes.
 * - A write with a condition makes one more request, `HEAD`. The server checks the condition when
 *   it publishes the object, by the tag: it can't tell two revisions with equal bytes apart.
 *   `ConditionsProbe` detects a server that ignores conditions, `LargeWrites` is for one that ignores
 *   them for uploads in parts.
 * - Without a condition, the last write wins. If two writes of one key overlap and have parts, S3
 *   keeps the write that began last.
 * - It never makes room: use a lifecycle rule of the bucket. If a process died while it wrote,
 *   another rule must remove the parts.
 */
export class S3Store extends BucketStore {
  override readonly writesConditionally: boolean;
  readonly #config: S3StoreConfig;

  /** @throws SnapshotError `INVALID_OPTIONS` */
  constructor(options: S3StoreOptions) {
    const config = parseS3Options(options);
    super(new S3Bucket(config), config);
    this.#config = config;
    this.writesConditionally = config.conditionalWrites;
  }

  /** Destroys the client if this store made it. That ends bodies that are being read. */
  override async close(): Promise<void> {
    await super.close();
    if (this.#config.ownsClient) this.#config.client.destroy();
  }
}
