import type { Commit } from './commit-reader.js';

interface Turn {
  readonly commit: Commit;
  readonly turn: number;
}

/** A priority queue of commits: the newest first; commits of one second in the order of `push`. */
export class CommitQueue {
  readonly #heap: Turn[] = [];
  #turns = 0;

  /** The newest. */
  get first(): Commit | undefined {
    return this.#heap[0]?.commit;
  }

  push(commit: Commit): void {
    const heap = this.#heap;
    const entry = { commit, turn: this.#turns++ };
    let at = heap.length;
    while (at > 0) {
      const above = (at - 1) >>> 1;
      const parent = heap[above];
      if (parent === undefined || !comesBefore(entry, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = entry;
  }

  /** Removes the newest. */
  pop(): Commit | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first?.commit;
    let at = 0;
    for (;;) {
      let below = at * 2 + 1;
      let child = heap[below];
      if (child === undefined) break;
      const other = heap[below + 1];
      if (other !== undefined && comesBefore(other, child)) {
        child = other;
        below++;
      }
      if (!comesBefore(child, last)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
    return first.commit;
  }
}

function comesBefore(a: Turn, b: Turn): boolean {
  const difference = a.commit.committedAt - b.commit.committedAt;
  return difference === 0 ? a.turn < b.turn : difference > 0;
}
