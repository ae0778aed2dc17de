import type { z } from 'zod';
import type { WebhookOptions } from '../../lib/http/webhook/options.js';
import type { webhookSchema } from '../../lib/http/webhook/schema.js';
import type { RedisLocksOptions } from '../../lib/locks/redis-options.js';
import type { redisLocksSchema } from '../../lib/locks/redis-schema.js';
import type { azureStoreSchema } from '../../lib/stores/azure/config.js';
import type { AzureStoreOptions } from '../../lib/stores/azure/options.js';
import type { FileSystemStoreOptions } from '../../lib/stores/filesystem/options.js';
import type { fileSystemStoreSchema } from '../../lib/stores/filesystem/schema.js';
import type { gcsStoreSchema } from '../../lib/stores/gcs/config.js';
import type { GcsStoreOptions } from '../../lib/stores/gcs/options.js';
import type { MemoryStoreOptions } from '../../lib/stores/memory-options.js';
import type { memoryStoreSchema } from '../../lib/stores/memory-schema.js';
import type { s3StoreSchema } from '../../lib/stores/s3/config.js';
import type { S3StoreOptions } from '../../lib/stores/s3/options.js';
import type { TieredStoreOptions } from '../../lib/stores/tiered/options.js';
import type { tieredStoreSchema } from '../../lib/stores/tiered/schema.js';

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Whether an interface of options and a schema have the same options. The compiler decides. */
type AreChecked<Options, Schema extends z.ZodType> = Identical<
  Writable<Options>,
  Writable<z.input<Schema>>
>;

type Identical<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

test('The documented options are the checked options', () => {
  const checked: [
    AreChecked<FileSystemStoreOptions, typeof fileSystemStoreSchema>,
    AreChecked<MemoryStoreOptions, typeof memoryStoreSchema>,
    AreChecked<S3StoreOptions, typeof s3StoreSchema>,
    AreChecked<GcsStoreOptions, typeof gcsStoreSchema>,
    AreChecked<AzureStoreOptions, typeof azureStoreSchema>,
    AreChecked<TieredStoreOptions, typeof tieredStoreSchema>,
    AreChecked<RedisLocksOptions, typeof redisLocksSchema>,
    AreChecked<WebhookOptions, typeof webhookSchema>,
  ] = [true, true, true, true, true, true, true, true];
  const isOther: AreChecked<{ other: string }, typeof memoryStoreSchema> = false;
  expect([checked.includes(true), isOther]).toEqual([true, false]);
});
