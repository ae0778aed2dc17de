import { z } from 'zod';
import { keepReplaced } from '../keep-replaced.js';

/** Seconds: seven days. */
export const MAX_URL_LIFETIME = 604_800;
const MAX_PREFIX_BYTES = 256;

/** The checks of `BucketStoreOptions`. */
export const bucketStoreShape = {
  prefix: z
    .string()
    .refine((text) => Buffer.byteLength(text) <= MAX_PREFIX_BYTES, 'must have at most 256 bytes')
    .default(''),
  serve: z.enum(['stream', 'redirect']).default('stream'),
  urlLifetime: z.number().int().min(1).max(MAX_URL_LIFETIME).default(300),
  ...keepReplaced,
};

/** The check of a bucket's name. */
export const bucketName = z
  .string()
  .min(1, 'must not be empty')
  .refine((text) => !text.includes('://'), 'must be a name, not a URL');
