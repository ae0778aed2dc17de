import type { ReaderLimits } from './limits.js';
import type { ObjectMemory } from './object-memory.js';
import { ObjectReader } from './reader.js';

export interface ReaderContext {
  readonly limits: ReaderLimits;
  readonly memory: ObjectMemory;
}

/** Opens packs (paths without ending) for `read`, and closes them when it is done. */
export async function withReader<T>(
  packs: readonly string[],
  { limits, memory }: ReaderContext,
  read: (reader: ObjectReader) => T | Promise<T>,
): Promise<T> {
  const reader = new ObjectReader(packs, limits, memory);
  try {
    return await read(reader);
  } finally {
    reader.close();
  }
}
