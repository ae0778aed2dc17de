/** A moment by both clocks. */
export interface Moment {
  /** By `performance.now()`, which nobody sets: how much time has passed since. */
  readonly time: number;
  /** Milliseconds since the epoch, to be told and written down. */
  readonly date: number;
}

export function thisMoment(): Moment {
  return { time: performance.now(), date: Date.now() };
}

/** One of which only the date is known. When that is yet to come, the clock was set back since: it is long ago. */
export function momentOf(date: number): Moment {
  const now = thisMoment();
  const age = now.date - date;
  return { time: age < 0 ? Number.NEGATIVE_INFINITY : now.time - age, date };
}
