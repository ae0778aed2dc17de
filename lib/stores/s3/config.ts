import { createRequire } from 'node:module';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { checkOptions, methods, milliseconds } from '../../check-options.js';
import { SnapshotError } from '../../errors.js';
import { bucketName, bucketStoreShape } from '../bucket/schema.js';
import { isRecord } from '../stored-json.js';
import type { S3StoreOptions } from './options.js';

const MIB = 1024 * 1024;

/** The checks of `S3StoreOptions`. */
export const s3StoreSchema = z
  .strictObject({
    bucket: bucketName,
    client: methods<S3Client>(['send'], 'an S3Client').optional(),
    config: z.custom<S3ClientConfig>(isRecord, 'must be what S3Client takes').optional(),
    connectTimeout: milliseconds.default(5000),
    idleTimeout: milliseconds.default(30_000),
    partSize: z
      .number()
      .int()
      .min(5 * MIB)
      .max(5 * 1024 * MIB)
      .default(8 * MIB),
    concurrentParts: z.number().int().min(1).max(64).default(4),
    conditionalWrites: z.boolean().default(true),
    ...bucketStoreShape,
  })
  .refine(
    ({ client, config }) => client === undefined || config === undefined,
    'config: it is for the client that is made when there is no `client`',
  );

export interface S3StoreConfig extends Omit<z.output<typeof s3StoreSchema>, 'client' | 'config'> {
  readonly client: S3Client;
  /** Whether this store made the client. */
  readonly ownsClient: boolean;
}

/** @throws SnapshotError `INVALID_OPTIONS`, whose message names each option that is wrong. */
export function parseS3Options(options: S3StoreOptions): S3StoreConfig {
  const { client, config, ...rest } = checkOptions(s3StoreSchema, options, 'S3Store');
  if (rest.serve === 'redirect') requirePresigner(); // at the start, not at the first redirect
  return { ...rest, client: client ?? makeClient(rest, config), ownsClient: client === undefined };
}

/**
 * Makes a client with time limits and 1,000 connections. By default, the SDK waits for ever for a
 * server that does not answer, and has 50 connections. That is too few: each client that downloads
 * a snapshot holds one, and other requests wait for a free one.
 *
 * There is no limit for a whole request: the sending of a part may take long.
 */
function makeClient(
  { connectTimeout, idleTimeout }: Pick<S3StoreConfig, 'connectTimeout' | 'idleTimeout'>,
  config: S3ClientConfig = {},
): S3Client {
  const agent = { keepAlive: true, maxSockets: 1000 };
  const requestHandler = {
    connectionTimeout: connectTimeout,
    socketTimeout: idleTimeout,
    httpAgent: agent,
    httpsAgent: agent,
  };
  return new S3Client({ requestHandler, ...config });
}

const PRESIGNER = '@aws-sdk/s3-request-presigner';

/** @throws SnapshotError `INVALID_OPTIONS` when the package is missing. */
export function requirePresigner(): void {
  try {
    createRequire(import.meta.url).resolve(PRESIGNER);
  } catch (cause) {
    const message = `presigned URLs need the package ${PRESIGNER}`;
    throw new SnapshotError('INVALID_OPTIONS', message, { cause });
  }
}
