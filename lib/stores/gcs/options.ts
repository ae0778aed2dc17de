import type { Storage, StorageOptions } from '@google-cloud/storage';
import type { BucketStoreOptions } from '../bucket/options.js';

/** The options of `GcsStore`. `serve: 'redirect'` needs credentials that can sign. */
export interface GcsStoreOptions extends BucketStoreOptions {
  /** The name of the bucket, which must exist already. */
  readonly bucket: string;
  /**
   * The client for all requests.
   *
   * @default a new one, from `config`
   */
  readonly client?: Storage | undefined;
  /**
   * Options of `new Storage`: credentials and others.
   *
   * @default the SDK finds them
   */
  readonly config?: StorageOptions | undefined;
  /**
   * Bytes of a part, a multiple of 256 KiB. A write holds two or three parts in memory.
   *
   * @default 8 MiB
   */
  readonly partSize?: number | undefined;
}
