/** Gives a run its turn: calls `run` at once, or later. */
export type Turn = <T>(run: () => Promise<T>) => Promise<T>;

interface Run<T> {
  readonly outcome: Promise<T>;
  /** Whether its turn has come. */
  hasBegun: boolean;
  /** The run after this one. */
  next: Promise<T> | undefined;
}

/** One run of some work at a time for each key. All callers that join a run get its outcome. */
export class SingleFlight<T> {
  readonly #runs = new Map<string, Run<T>>();

  /** Joins the run of a key, or begins one. The run may have begun before this call. */
  join(key: string, work: () => Promise<T>): Promise<T> {
    return this.#runs.get(key)?.outcome ?? this.#add(key, work);
  }

  /**
   * Joins a run that begins after this call: one that waits for its turn, or the next one.
   *
   * @param turn gives a new run its turn. Default: it begins when the run before has ended.
   */
  joinNext(key: string, work: () => Promise<T>, turn?: Turn): Promise<T> {
    const run = this.#runs.get(key);
    if (run === undefined) return this.#add(key, work, turn);
    if (!run.hasBegun) return run.outcome;
    run.next ??= run.outcome.then(ignore, ignore).then(() => this.#add(key, work, turn));
    return run.next;
  }

  /** The run of a key that has not ended. */
  running(key: string): Promise<T> | undefined {
    return this.#runs.get(key)?.outcome;
  }

  /** Resolves when all runs have ended, including runs that begin meanwhile. Never rejects. */
  async settled(): Promise<void> {
    while (this.#runs.size > 0) {
      await Promise.all(Array.from(this.#runs.keys(), (key) => this.ended(key)));
    }
  }

  /** As `settled`, for one key. */
  async ended(key: string): Promise<void> {
    for (let run = this.running(key); run !== undefined; run = this.running(key)) {
      await run.catch(ignore);
    }
  }

  #add(key: string, work: () => Promise<T>, turn: Turn = (run) => run()): Promise<T> {
    const run: Omit<Run<T>, 'outcome'> = { hasBegun: false, next: undefined };
    const begin = () => {
      run.hasBegun = true;
      return work();
    };
    const outcome = turn(begin).finally(() => {
      // A key that has a next run is never free in between.
      if (run.next === undefined) this.#runs.delete(key);
    });
    this.#runs.set(key, Object.assign(run, { outcome }));
    outcome.catch(ignore);
    return outcome;
  }
}

function ignore(): void {}
