import { BucketStore } from '../bucket/bucket-store.js';
import { GcsBucket } from './bucket.js';
import { parseGcsOptions } from './config.js';
import type { GcsStoreOptions } from './options.js';

/**
 * Keeps each object as one object of a bucket of Google Cloud Storage. Any number of processes may
 * share the bucket.
 *
 * - `stat` and `open` make one request. A write makes one for each part, and one that begins it.
 *   `list` makes one for each thousand objects with the prefix.
 * - A write with a condition first reads the stored revision and its generation, which the server
 *   checks when it publishes the object: no other write can come in between.
 * - Without a condition, the write that ends last wins.
 */
export class GcsStore extends BucketStore {
  /** @throws SnapshotError `INVALID_OPTIONS` */
  constructor(options: GcsStoreOptions) {
    const config = parseGcsOptions(options);
    super(new GcsBucket(config), config);
  }
}
