import { z } from 'zod';
import { bytes, callback } from '../check-options.js';
import { keepReplaced } from './keep-replaced.js';

/** The checks of `MemoryStoreOptions`. */
export const memoryStoreSchema = z.strictObject({
  maxBytes: bytes,
  ...keepReplaced,
  onEvict: callback<(key: string) => void>().optional(),
});

export type MemoryStoreConfig = z.output<typeof memoryStoreSchema>;
