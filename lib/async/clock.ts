declare const MONOTONIC: unique symbol;

/** Milliseconds of the monotonic clock. Dates are plain numbers: milliseconds since the epoch. */
export type Time = number & { readonly [MONOTONIC]: true };

export const LONG_AGO = Number.NEGATIVE_INFINITY as Time;

export function now(): Time {
  return performance.now() as Time;
}

export function after(time: Time, milliseconds: number): Time {
  return (time + milliseconds) as Time;
}

/** Milliseconds that have passed since a time; negative until it comes. */
export function elapsedSince(time: Time): number {
  return performance.now() - time;
}

/** A moment, by the monotonic clock and as a date. */
export interface Moment {
  readonly time: Time;
  /** Milliseconds since the epoch. */
  readonly date: number;
}

export function thisMoment(): Moment {
  return { time: now(), date: Date.now() };
}

/** The moment of a past date. A future date means that the clock was set back: it is long ago. */
export function momentOf(date: number, present = thisMoment()): Moment {
  const age = present.date - date;
  return { time: age < 0 ? LONG_AGO : after(present.time, -age), date };
}
