import { MemoryStore } from '../../lib/index.js';
import { door } from './door.js';

/** A store that can be told to hold writes of default snapshots at a gate. */
export class GatedStore extends MemoryStore {
  #opened: Promise<void> | undefined;
  #reach = () => {};

  /** From now on. */
  gate() {
    const [reached, reach] = door();
    const [opened, release] = door();
    this.#reach = reach;
    this.#opened = opened;
    return { reached, release };
  }

  override async create(...[key, ...rest]: Parameters<MemoryStore['create']>) {
    if (key.startsWith('snapshot/')) {
      this.#reach();
      await this.#opened;
    }
    return await super.create(key, ...rest);
  }
}
