import type { StoredObject } from '../../lib/stores/store.js';
import type { StoreFault } from './store-faults.js';

interface Entry {
  readonly object: StoredObject;
  readonly content: Buffer;
}

/** The condition of a write, as a store with a fault understands it. */
export class FaultyConditions {
  readonly #fault: StoreFault | undefined;
  /** Of all revisions there ever were. */
  readonly #contents = new Map<string, Buffer>();

  constructor(fault: StoreFault | undefined) {
    this.#fault = fault;
  }

  note({ object, content }: Entry): void {
    this.#contents.set(object.revision, content);
  }

  /** @returns whether the write may commit, asked when it does. */
  begin(find: () => Entry | undefined, replaces: string | null | undefined): () => boolean {
    const isMet = () => this.#mayReplace(find(), replaces);
    if (this.#fault !== 'looks at what is stored when a write begins') return isMet;
    const wasMet = isMet();
    return () => wasMet;
  }

  #mayReplace(entry: Entry | undefined, replaces: string | null | undefined): boolean {
    if (replaces === undefined) return true;
    switch (this.#fault) {
      case 'replaces whatever is stored':
        return true;
      case 'refuses what replaces nothing':
        if (replaces === null) return false;
        break;
      case 'refuses what replaces a revision':
        if (replaces !== null) return false;
        break;
      case 'takes nothing for what was to be replaced':
        if (entry === undefined) return true;
        break;
      case 'takes equal bytes for what was to be replaced':
        if (replaces !== null && entry !== undefined) {
          return this.#contents.get(replaces)?.equals(entry.content) ?? false;
        }
    }
    return replaces === (entry?.object.revision ?? null);
  }
}
