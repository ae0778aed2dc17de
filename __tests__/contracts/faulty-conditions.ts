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

  /** @returns whether the write may be published, asked when it is. */
  begin(find: () => Entry | undefined, ifRevision: string | null | undefined): () => boolean {
    const isMet = () => this.#mayReplace(find(), ifRevision);
    if (this.#fault !== 'looks at what is stored when a write begins') return isMet;
    const wasMet = isMet();
    return () => wasMet;
  }

  #mayReplace(entry: Entry | undefined, ifRevision: string | null | undefined): boolean {
    if (ifRevision === undefined) return true;
    switch (this.#fault) {
      case 'replaces whatever is stored':
        return true;
      case 'knows only what it stored itself':
        if (ifRevision === null) return !this.#contents.has(entry?.object.revision ?? '');
        break;
      case 'refuses what replaces nothing':
        if (ifRevision === null) return false;
        break;
      case 'refuses what replaces a revision':
        if (ifRevision !== null) return false;
        break;
      case 'takes nothing for what was to be replaced':
        if (entry === undefined) return true;
        break;
      case 'takes equal bytes for what was to be replaced':
        if (ifRevision !== null && entry !== undefined) {
          return this.#contents.get(ifRevision)?.equals(entry.content) ?? false;
        }
    }
    return ifRevision === (entry?.object.revision ?? null);
  }
}
