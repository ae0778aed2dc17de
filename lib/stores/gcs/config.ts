import { IdempotencyStrategy, Storage, type StorageOptions } from '@google-cloud/storage';
import { z } from 'zod';
import { checkOptions, methods } from '../../check-options.js';
import { bucketName, bucketStoreShape } from '../bucket/schema.js';
import { isRecord } from '../stored-json.js';
import type { GcsStoreOptions } from './options.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** The checks of `GcsStoreOptions`. */
export const gcsStoreSchema = z
  .strictObject({
    bucket: bucketName,
    client: methods<Storage>(['bucket'], 'a Storage').optional(),
    config: z.custom<StorageOptions>(isRecord, 'must be what Storage takes').optional(),
    partSize: z
      .number()
      .int()
      .min(256 * KIB)
      .max(1024 * MIB)
      .multipleOf(256 * KIB)
      .default(8 * MIB),
    ...bucketStoreShape,
  })
  .refine(
    ({ client, config }) => client === undefined || config === undefined,
    'config: it is for the client that is made when there is no `client`',
  );

export interface GcsStoreConfig extends Omit<z.output<typeof gcsStoreSchema>, 'client' | 'config'> {
  readonly client: Storage;
}

/** @throws SnapshotError `INVALID_OPTIONS`, whose message names each option that is wrong. */
export function parseGcsOptions(options: GcsStoreOptions): GcsStoreConfig {
  const { client, config, ...rest } = checkOptions(gcsStoreSchema, options, 'GcsStore');
  return { ...rest, client: client ?? makeClient(config) };
}

/** By default, the SDK does not repeat deletions, although they are idempotent here. */
function makeClient(config: StorageOptions = {}): Storage {
  const { retryOptions } = config;
  const idempotencyStrategy = IdempotencyStrategy.RetryAlways;
  return new Storage({ ...config, retryOptions: { idempotencyStrategy, ...retryOptions } });
}
