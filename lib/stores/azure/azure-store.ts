import { BucketStore } from '../bucket/bucket-store.js';
import { parseAzureOptions } from './config.js';
import { AzureContainer } from './container.js';
import type { AzureStoreOptions } from './options.js';

/**
 * Keeps each object as one block blob of a container of Azure Blob Storage. Any number of processes
 * may share the container.
 *
 * - `stat` and `open` make one request. A write makes one for each part, and one that publishes
 *   them. `list` makes one for each thousand objects with the prefix.
 * - A write with a condition first reads the stored revision and its tag, which the server checks
 *   when it publishes the object: no other write can come in between.
 * - Without a condition, the write that is published first makes others of the same key fail that
 *   have sent parts by then: Azure drops their parts.
 */
export class AzureStore extends BucketStore {
  /** @throws SnapshotError `INVALID_OPTIONS` */
  constructor(options: AzureStoreOptions) {
    const config = parseAzureOptions(options);
    super(new AzureContainer(config), config);
  }
}
