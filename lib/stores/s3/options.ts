import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import type { BucketStoreOptions } from '../bucket/options.js';

/** The options of `S3Store`. `serve: 'redirect'` needs `@aws-sdk/s3-request-presigner`. */
export interface S3StoreOptions extends BucketStoreOptions {
  /** The name of the bucket, which must exist already. */
  readonly bucket: string;
  /**
   * The client for all requests; `close` leaves it open.
   *
   * @default a new one, from `config`
   */
  readonly client?: S3Client | undefined;
  /**
   * Options of `new S3Client`: region, credentials and others.
   *
   * @default the SDK finds them
   */
  readonly config?: S3ClientConfig | undefined;
  /**
   * Milliseconds that the client waits for a connection. A `client` or `requestHandler` of yours has
   * its own limits.
   *
   * @default 5_000
   */
  readonly connectTimeout?: number | undefined;
  /**
   * Milliseconds for which a connection of a request may be idle: no byte is sent or received. The
   * SDK then repeats the request, twice by default. A body continues where it ended. A `client` or
   * `requestHandler` of yours has its own limits.
   *
   * @default 30_000
   */
  readonly idleTimeout?: number | undefined;
  /**
   * Bytes of a part, at least 5 MiB. An object has at most 10,000 parts, on some servers fewer: the
   * largest object has 78 GiB by default. A write holds at most `concurrentParts` + 2 parts in
   * memory.
   *
   * @default 8 MiB
   */
  readonly partSize?: number | undefined;
  /**
   * Parts of one object that are uploaded at once, 1 to 64.
   *
   * @default 4
   */
  readonly concurrentParts?: number | undefined;
  /**
   * Whether the server supports `If-Match` and `If-None-Match` for writes, as S3 does. The store
   * finds out by a few small requests before its first such write. If the server checks them for
   * single requests only, the store keeps large objects in two parts. If it does not check them at
   * all, the store writes without them, and warns. Risk: then a write may replace a newer object.
   * `false`: it sends none, and does not try.
   *
   * @default true
   */
  readonly conditionalWrites?: boolean | undefined;
}
