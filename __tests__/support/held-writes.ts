import type { MemoryStore } from '../../lib/index.js';
import { door } from './door.js';

/** Holds the ends of all writes that begin from now on. @returns the function that releases them. */
export function holdWrites(store: MemoryStore): () => void {
  const [opened, open] = door();
  const { put } = store;
  store.put = async (key, body, options) => await put.call(store, key, held(body, opened), options);
  return open;
}

async function* held(
  body: AsyncIterable<Uint8Array>,
  opened: Promise<void>,
): AsyncGenerator<Uint8Array> {
  yield* body;
  await opened;
}
