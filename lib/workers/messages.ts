import type { SerializedError } from '../errors.js';

/** What a pool tells its worker. */
export type PoolMessage<Task> =
  /** Answered by events, and then one result or error. */
  | { readonly kind: 'task'; readonly task: Task }
  /** The task is not needed any more, and is to come to its end. */
  | { readonly kind: 'abort' };

/** What a worker sends while it works on the one task it was given. */
export type WorkerMessage<Event, Result> =
  /** It has started; comes first. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'event'; readonly event: Event }
  | { readonly kind: 'result'; readonly result: Result }
  | { readonly kind: 'error'; readonly error: SerializedError };
