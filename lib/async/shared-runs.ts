interface Run<T> {
  readonly outcome: Promise<T>;
  /** The run that begins when this one is over, for all who asked after it had begun. */
  next: Promise<T> | undefined;
}

/**
 * Work of which one run at a time serves all who ask for it. Who asks while one runs gets the outcome of
 * the next: of a run that began after the question.
 */
export class SharedRuns<T> {
  readonly #runs = new Map<string, Run<T>>();

  run(key: string, work: () => Promise<T>): Promise<T> {
    const running = this.#runs.get(key);
    if (running === undefined) return this.#begin(key, work);
    running.next ??= running.outcome.then(ignore, ignore).then(() => this.#begin(key, work));
    return running.next;
  }

  /** The run that began before this question, if it is not over. */
  running(key: string): Promise<T> | undefined {
    return this.#runs.get(key)?.outcome;
  }

  /** Resolves when nothing runs any more. Never rejects. */
  async settled(): Promise<void> {
    while (this.#runs.size > 0) {
      await Promise.allSettled([...this.#runs.values()].map(({ outcome }) => outcome));
    }
  }

  #begin(key: string, work: () => Promise<T>): Promise<T> {
    const run: Run<T> = {
      outcome: work().finally(() => {
        // With a next one, the key is never free in between.
        if (run.next === undefined) this.#runs.delete(key);
      }),
      next: undefined,
    };
    this.#runs.set(key, run);
    run.outcome.catch(ignore);
    return run.outcome;
  }
}

function ignore(): void {}
