import { AnonymousCredential, BlobServiceClient } from '@azure/storage-blob';
import { z } from 'zod';
import { checkOptions, methods } from '../../check-options.js';
import { SnapshotError } from '../../errors.js';
import { bucketName, bucketStoreShape } from '../bucket/schema.js';
import type { AzureStoreOptions } from './options.js';

const MIB = 1024 * 1024;

/** The checks of `AzureStoreOptions`. */
export const azureStoreSchema = z
  .strictObject({
    container: bucketName,
    client: methods<BlobServiceClient>(['getContainerClient'], 'a BlobServiceClient').optional(),
    connectionString: z.string().optional(),
    partSize: z
      .number()
      .int()
      .min(MIB)
      .max(4000 * MIB)
      .default(8 * MIB),
    concurrentParts: z.number().int().min(1).max(64).default(4),
    ...bucketStoreShape,
  })
  .refine(
    ({ client, connectionString }) => (client === undefined) !== (connectionString === undefined),
    'give either client or connectionString',
  );

type Parsed = z.output<typeof azureStoreSchema>;

export interface AzureStoreConfig extends Omit<Parsed, 'client' | 'connectionString'> {
  readonly client: BlobServiceClient;
}

/** @throws SnapshotError `INVALID_OPTIONS`, whose message names each option that is wrong. */
export function parseAzureOptions(options: AzureStoreOptions): AzureStoreConfig {
  const parsed = checkOptions(azureStoreSchema, options, 'AzureStore');
  const { client: given, connectionString = '', ...rest } = parsed;
  const client = given ?? connect(connectionString);
  if (rest.serve === 'redirect' && client.credential instanceof AnonymousCredential) {
    const message = 'serve: a client without an account key or token can not make URLs';
    throw new SnapshotError('INVALID_OPTIONS', message);
  }
  return { ...rest, client };
}

function connect(connectionString: string): BlobServiceClient {
  try {
    return BlobServiceClient.fromConnectionString(connectionString);
  } catch (cause) {
    // The SDK's message may have parts of the string, which is a secret.
    const message = 'connectionString: it is not one of a storage account';
    throw new SnapshotError('INVALID_OPTIONS', message, { cause });
  }
}
