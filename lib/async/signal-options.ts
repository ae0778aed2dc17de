/** An option of each call that takes time. */
export interface SignalOptions {
  /** When it aborts, the caller no longer waits: a method SHOULD end, and reject with the reason. */
  readonly signal?: AbortSignal | undefined;
}
