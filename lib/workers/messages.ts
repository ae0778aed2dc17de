import type { SerializedError } from '../errors.js';

/** What a worker sends while it works on the one task it was given. */
export type WorkerMessage<Event, Result> =
  | { readonly kind: 'event'; readonly event: Event }
  | { readonly kind: 'result'; readonly result: Result }
  | { readonly kind: 'error'; readonly error: SerializedError };
