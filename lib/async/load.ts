/** Work of one kind that runs, and that waits for its turn. */
export interface LoadCounts {
  readonly running: number;
  readonly queued: number;
}

/** Counts work of one kind. */
export class Load {
  #running = 0;
  #queued = 0;

  get counts(): LoadCounts {
    return { running: this.#running, queued: this.#queued };
  }

  /** Counts work while `turn` makes it wait, and while it runs. @throws the error of either. */
  async count<T>(
    work: () => Promise<T>,
    turn: (begin: () => Promise<T>) => Promise<T>,
  ): Promise<T> {
    let isQueued = true;
    this.#queued++;
    const leaveQueue = () => {
      if (isQueued) this.#queued--;
      isQueued = false;
    };
    const begin = async () => {
      leaveQueue();
      this.#running++;
      try {
        return await work();
      } finally {
        this.#running--;
      }
    };
    try {
      return await turn(begin);
    } finally {
      leaveQueue();
    }
  }
}
