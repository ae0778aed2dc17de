import { randomUUID } from 'node:crypto';
import { SnapshotError } from '../errors.js';
import type { ObjectWriter, StoredObject } from './store.js';

/** The part of a description that is new in each version of an object. */
export function newVersion(): Pick<StoredObject, 'revision' | 'storedAt'> {
  return { revision: randomUUID(), storedAt: Date.now() };
}

/** The part of a write that differs between stores. */
export interface WriteTarget {
  append(chunk: Uint8Array): Promise<void>;
  /** Makes the object readable, as its last step. */
  publish(): Promise<StoredObject>;
  /** Removes what was written. Called at most once; after a failed `publish` too. */
  discard(): Promise<void>;
}

/**
 * The life of a write, the same in every store. A write ends once: by `commit`, `abort`, the signal
 * or its first failure. A failed `write` ends it because the object would have a hole. A `commit`
 * that has begun goes on even if the signal aborts.
 */
export class TargetWriter implements ObjectWriter {
  readonly #target: WriteTarget;
  readonly #signal: AbortSignal | undefined;
  /** Set once the write has ended or is about to end. */
  #end: Promise<unknown> | undefined;

  constructor(target: WriteTarget, signal: AbortSignal | undefined) {
    this.#target = target;
    this.#signal = signal;
    if (signal?.aborted) this.#onSignal();
    else signal?.addEventListener('abort', this.#onSignal, { once: true });
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#assertOpen();
    try {
      await this.#target.append(chunk);
    } catch (error) {
      this.#signal?.throwIfAborted();
      await ignoreFailure(this.abort());
      throw error;
    }
    this.#signal?.throwIfAborted();
  }

  async commit(): Promise<StoredObject> {
    this.#assertOpen();
    const published = this.#publish();
    this.#end = ignoreFailure(published);
    return published;
  }

  async abort(): Promise<void> {
    this.#end ??= this.#discard();
    await this.#end;
  }

  // `abort` returns the same promise, so its callers get a failure to discard.
  readonly #onSignal = (): void => void ignoreFailure(this.abort());

  async #publish(): Promise<StoredObject> {
    this.#signal?.removeEventListener('abort', this.#onSignal);
    try {
      return await this.#target.publish();
    } catch (error) {
      await ignoreFailure(this.#target.discard());
      throw error;
    }
  }

  async #discard(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onSignal);
    await this.#target.discard();
  }

  #assertOpen(): void {
    if (this.#end === undefined) return;
    this.#signal?.throwIfAborted();
    throw new SnapshotError('STORE_FAILED', 'the write has already been committed or aborted');
  }
}

/** Waits for work and ignores its failure: callers get it, or an earlier one, in another way. */
async function ignoreFailure(work: Promise<unknown>): Promise<void> {
  await work.catch(() => undefined);
}
