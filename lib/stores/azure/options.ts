import type { BlobServiceClient } from '@azure/storage-blob';
import type { BucketStoreOptions } from '../bucket/options.js';

/**
 * The options of `AzureStore`: with either `client` or `connectionString`. `serve: 'redirect'`
 * needs an account key, or a token whose role may get user delegation keys.
 */
export interface AzureStoreOptions extends BucketStoreOptions {
  /** The container of the storage account. It must exist already. */
  readonly container: string;
  /**
   * The client for all requests, with its credentials.
   *
   * @default a new one, from `connectionString`
   */
  readonly client?: BlobServiceClient | undefined;
  /**
   * The connection string of the storage account.
   *
   * @default none
   */
  readonly connectionString?: string | undefined;
  /**
   * Bytes of a part. An object has at most 50,000 parts: the largest has 390 GiB by default. A
   * write holds at most `concurrentParts` + 1 parts in memory.
   *
   * @default 8 MiB
   */
  readonly partSize?: number | undefined;
  /**
   * Parts of one object that are sent at a time, 1 to 64.
   *
   * @default 4
   */
  readonly concurrentParts?: number | undefined;
}
