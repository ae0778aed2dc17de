import type { SignalOptions } from '../../async/signal-options.js';
import type { KeepReplacedOptions } from '../keep-replaced-options.js';

/** The options that `S3Store`, `GcsStore` and `AzureStore` share. */
export interface BucketStoreOptions extends KeepReplacedOptions {
  /**
   * The names of all objects in the bucket begin with it, such as `snapshots/`. At most 256 bytes.
   * Stores with different prefixes don't see each other's objects.
   *
   * @default nothing
   */
  readonly prefix?: string | undefined;
  /**
   * `redirect` sends clients to the bucket by presigned URLs. `stream` sends the bytes through this
   * process.
   *
   * @default 'stream'
   */
  readonly serve?: 'stream' | 'redirect' | undefined;
  /**
   * Seconds for which a presigned URL is valid, at most 604,800: seven days.
   *
   * @default 300
   */
  readonly urlLifetime?: number | undefined;
}

/** Options with their defaults. */
export type BucketStoreConfig = {
  readonly [Option in
    | 'serve'
    | 'urlLifetime'
    | 'keepReplacedFor'
    | 'maxReplacedBytes']: NonNullable<BucketStoreOptions[Option]>;
};

/** The options of `presign`. */
export interface PresignOptions extends SignalOptions {
  /** Seconds for which the URL is valid, at most 604,800: seven days. */
  readonly expiresIn: number;
  /** Only this revision. If another one is stored, there is no URL. */
  readonly revision?: string | undefined;
  /** The `Content-Type` of the download. Default: `application/octet-stream`. */
  readonly contentType?: string | undefined;
  /** The `Content-Disposition` of the download. Default: none. */
  readonly contentDisposition?: string | undefined;
}
