import type { MemoryStore } from '../../lib/index.js';
import { door } from './door.js';

/** Has a store commit nothing that is begun from now on, until what this answers is called. */
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
