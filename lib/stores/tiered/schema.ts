import { z } from 'zod';
import { callback, duration, milliseconds } from '../../check-options.js';
import { storeSchema } from '../store-schema.js';
import type { StoreFailure } from './options.js';

/** The checks of `TieredStoreOptions`. */
export const tieredStoreSchema = z
  .strictObject({
    local: storeSchema,
    shared: storeSchema,
    localMaxAge: duration.default(1000),
    responseTimeout: milliseconds.default(5000),
    idleTimeout: milliseconds.default(60_000),
    retryInterval: duration.default(5000),
    onDegraded: callback<(failure: StoreFailure) => void>().default(() => warn),
  })
  .refine(({ local, shared }) => local !== shared, 'local and shared must not be the same store');

export type TieredStoreConfig = z.output<typeof tieredStoreSchema>;

function warn({ tier, key, error }: StoreFailure): void {
  const what = key === undefined ? '' : ` for ${key}`;
  console.warn(`TieredStore: the ${tier} tier failed${what}: ${error.code}: ${error.message}`);
}
