import { unlessAborted } from '../async/abort.js';

/**
 * Evictions that wait for those who use a mirror, while nobody else begins to: their turn would never
 * come under constant use.
 */
export class Evictions {
  readonly #running = new Map<string, Promise<void>>();

  /** @param evict waits, then evicts: once for all who ask for it meanwhile. */
  run(key: string, evict: () => Promise<void>): Promise<void> {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const started = evict().finally(() => this.#running.delete(key));
    this.#running.set(key, started);
    return started;
  }

  /**
   * Resolves when none runs.
   *
   * @throws the signal's reason.
   */
  async over(key: string, signal: AbortSignal): Promise<void> {
    for (let running = this.#running.get(key); running; running = this.#running.get(key)) {
      // Its failure is for those who asked for it.
      await unlessAborted(
        running.catch(() => {}),
        signal,
      );
    }
  }
}
