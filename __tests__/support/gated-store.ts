import { MemoryStore } from '../../lib/index.js';
import { Hold } from './hold.js';

/** A store that can be told to hold writes of default snapshots at a gate. */
export class GatedStore extends MemoryStore {
  #hold: Hold | undefined;

  /** Holds all later writes until the gate is released. */
  gate(): Hold {
    this.#hold = new Hold();
    return this.#hold;
  }

  override async put(...[key, ...rest]: Parameters<MemoryStore['put']>) {
    if (key.endsWith('/snapshot')) await this.#hold?.wait();
    return await super.put(key, ...rest);
  }
}
