import { z } from 'zod';
import { bytes, callback } from '../../check-options.js';
import { keepReplaced } from '../keep-replaced.js';

/** The checks of `FileSystemStoreOptions`. */
export const fileSystemStoreSchema = z.strictObject({
  directory: z.string().min(1, 'must not be empty'),
  maxBytes: bytes.optional(),
  ...keepReplaced,
  onEvict: callback<(key: string) => void>().optional(),
});

export type FileSystemStoreConfig = z.output<typeof fileSystemStoreSchema>;
