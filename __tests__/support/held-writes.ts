import type { MemoryStore } from '../../lib/index.js';
import { door } from './door.js';

/** Keeps all later writes from ending. @returns a function that lets them end. */
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
