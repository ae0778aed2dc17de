import { IN_THE_MAKING, removeCrashed, removeRevisions } from './disk/gc.js';
import { inspectMirror } from './disk/integrity.js';
import { readRevision } from './disk/revision-file.js';
import type { Mirror } from './mirror.js';

export interface HousekeepingOptions {
  /** Of all mirrors together. */
  readonly maxBytes: number;
  list(): Mirror[];
  evict(mirror: Mirror): Promise<void>;
}

/** Removes what nobody needs any more, while nobody waits for it. */
export class Housekeeping {
  readonly #options: HousekeepingOptions;
  readonly #running = new Set<Promise<void>>();

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  /** After a lease of the mirror was given back. What fails is done the next time, or at the next start. */
  tidyUp(mirror: Mirror): void {
    const done = this.#tidyUp(mirror).catch(() => {});
    this.#running.add(done);
    void done.finally(() => this.#running.delete(done));
  }

  /** Evicts those that were used longest ago, and are not in use, until the rest fits. */
  async keepBudget(): Promise<void> {
    const { maxBytes, list, evict } = this.#options;
    const mirrors = list();
    let total = mirrors.reduce((sum, { bytes }) => sum + bytes, 0);
    mirrors.sort((a, b) => a.usedAt - b.usedAt);
    for (const mirror of mirrors) {
      if (total <= maxBytes) return;
      if (mirror.isInUse) continue;
      total -= mirror.bytes;
      await evict(mirror);
    }
  }

  /** Resolves when nothing runs any more. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #tidyUp(mirror: Mirror): Promise<void> {
    if (mirror.hasUnread) await mirror.changeFiles(() => removeUnread(mirror));
    if (Date.now() - mirror.sweptAt > IN_THE_MAKING) {
      await mirror.changeFiles(() => sweep(mirror));
    }
    await this.keepBudget();
  }
}

async function removeUnread(mirror: Mirror): Promise<void> {
  const { directory } = mirror;
  const unread = mirror.takeUnread();
  if (unread.length === 0) return;
  // Another process may have gone on, or cloned anew, with packs of the same names.
  const current = await readRevision(directory);
  if (current === undefined || unread.some(({ clone }) => clone !== current.clone)) return;
  await removeRevisions(directory, unread, [...mirror.needed, current]);
  mirror.bytes = await inspectMirror(directory, current);
}

async function sweep(mirror: Mirror): Promise<void> {
  const { directory } = mirror;
  mirror.sweptAt = Date.now();
  const current = await readRevision(directory);
  // Another process may have cloned it anew.
  if (current === undefined || current.clone !== mirror.revision?.clone) return;
  await removeCrashed(directory, current, mirror.needed);
}
