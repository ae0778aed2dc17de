/** A moment, by the monotonic clock and as a date. */
export interface Moment {
  /** By `performance.now()`, for measuring how much time has passed. */
  readonly time: number;
  /** Milliseconds since the epoch, for people and for storage. */
  readonly date: number;
}

export function thisMoment(): Moment {
  return { time: performance.now(), date: Date.now() };
}

/**
 * A past moment of which only the date is known. A date in the future means that the clock was set
 * back: the moment is long ago.
 */
export function momentOf(date: number, now = thisMoment()): Moment {
  const age = now.date - date;
  return { time: age < 0 ? Number.NEGATIVE_INFINITY : now.time - age, date };
}
