import { MemoryStore } from '../../lib/index.js';
import type { ListOptions, OpenOptions, PutOptions } from '../../lib/stores/index.js';
import type { StoredObject } from '../../lib/stores/store.js';

/** The faults of a store with replaced revisions, and the contract tests that catch each. */
export const REPLACED_FAULTS = {
  'keeps nothing': [
    'a replaced revision is described, and opened by its name',
    'several replaced revisions are kept',
  ],
  'gives what is stored for any revision': ['a revision that no write replaced is not opened'],
  'lists replaced revisions': ['a replaced revision is shown only to callers that name it'],
  'keeps what was deleted': ['delete removes replaced revisions for good'],
  'keeps what a failed write was to replace': ['a write that failed has replaced nothing'],
} as const;

export type ReplacedFault = keyof typeof REPLACED_FAULTS;

/** A correct store, and what becomes of it with one fault. */
export class FaultyReplacedStore extends MemoryStore {
  readonly #fault: ReplacedFault;
  /** All that it should have forgotten, or not taken for replaced. */
  #remembered: readonly StoredObject[] = [];

  constructor(fault: ReplacedFault) {
    super({ maxBytes: 64 * 1024 * 1024 });
    this.#fault = fault;
  }

  override async open(key: string, options: OpenOptions = {}) {
    const isAny = this.#fault === 'gives what is stored for any revision';
    return await super.open(key, isAny ? { ...options, revision: undefined } : options);
  }

  override async put(key: string, body: AsyncIterable<Uint8Array>, options: PutOptions = {}) {
    const stored = await super.stat(key);
    const isTaken = this.#fault === 'keeps what a failed write was to replace';
    if (isTaken && stored !== undefined) this.#remembered = [stored];
    return await super.put(key, body, options);
  }

  override async listReplaced(key: string, options: { signal?: AbortSignal | undefined } = {}) {
    if (this.#fault === 'keeps nothing') return [];
    return [...(await super.listReplaced(key, options)), ...this.#remembered];
  }

  override async delete(key: string): Promise<void> {
    if (this.#fault === 'keeps what was deleted') this.#remembered = await super.listReplaced(key);
    await super.delete(key);
  }

  override async *list(options?: ListOptions) {
    yield* super.list(options);
    if (this.#fault === 'lists replaced revisions') yield* await super.listReplaced('key');
  }
}
