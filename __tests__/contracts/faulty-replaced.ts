import {
  type CreateOptions,
  MemoryStore,
  type Metadata,
  type OpenOptions,
} from '../../lib/index.js';
import type { StoredObject } from '../../lib/stores/store.js';

/** The faults of a store with replaced revisions, and the contract tests that catch each. */
export const REPLACED_FAULTS = {
  'declares replaced without having it': ['the store has replaced if it declares it'],
  'keeps nothing': [
    'a replaced revision is described, and opened by its name',
    'several replaced revisions are kept',
  ],
  'gives what is stored for any revision': ['a revision that no write replaced is not opened'],
  'lists replaced revisions': ['a replaced revision is shown only to callers that name it'],
  'keeps what was deleted': ['delete removes replaced revisions for good'],
  'keeps what an aborted write was to replace': ['a write that was aborted has replaced nothing'],
  'ignores the signal': ['replaced rejects when its signal has aborted'],
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
    if (fault === 'declares replaced without having it') {
      Object.defineProperty(this, 'replaced', { value: undefined });
    }
  }

  override async open(key: string, options: OpenOptions = {}) {
    const isAny = this.#fault === 'gives what is stored for any revision';
    return await super.open(key, isAny ? { ...options, revision: undefined } : options);
  }

  override async create(key: string, metadata: Metadata, options: CreateOptions = {}) {
    const stored = await super.stat(key);
    const isTaken = this.#fault === 'keeps what an aborted write was to replace';
    if (isTaken && stored !== undefined) this.#remembered = [stored];
    return await super.create(key, metadata, options);
  }

  override async replaced(key: string, options: { signal?: AbortSignal | undefined } = {}) {
    if (this.#fault === 'keeps nothing') return [];
    if (this.#fault === 'ignores the signal') return await super.replaced(key);
    return [...(await super.replaced(key, options)), ...this.#remembered];
  }

  override async delete(key: string): Promise<void> {
    if (this.#fault === 'keeps what was deleted') this.#remembered = await super.replaced(key);
    await super.delete(key);
  }

  override async *list() {
    yield* super.list();
    if (this.#fault === 'lists replaced revisions') yield* await super.replaced('key');
  }
}
