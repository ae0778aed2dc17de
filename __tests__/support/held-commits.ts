import type { MemoryStore } from '../../lib/index.js';
import { door } from './door.js';

/** Holds the commits of all writes that begin from now on. @returns the function that releases them. */
export function holdCommits(store: MemoryStore): () => void {
  const [opened, open] = door();
  const { create } = store;
  store.create = async (...about) => {
    const writer = await create.apply(store, about);
    const { commit } = writer;
    writer.commit = () => opened.then(() => commit.call(writer));
    return writer;
  };
  return open;
}
