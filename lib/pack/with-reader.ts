import type { ObjectMemory } from './object-memory.js';
import { ObjectReader, type ReaderLimits } from './reader.js';

export interface ReaderContext {
  readonly limits: ReaderLimits;
  readonly memory: ObjectMemory;
}

/** Reads objects of packs (paths without ending), whose files are open until that is done. */
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
