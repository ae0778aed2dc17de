import type { SerializedError } from '../errors.js';

/** From a pool to its worker. */
export type PoolMessage<Task> =
  /** Answered by events, and then one result or error. */
  | { readonly kind: 'task'; readonly task: Task }
  /** The task is no longer needed: end it. */
  | { readonly kind: 'abort' };

/** From a worker to its pool, about its one task. */
export type WorkerMessage<Event, Result> =
  /** The worker has started. Sent first, once. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'event'; readonly event: Event }
  | { readonly kind: 'result'; readonly result: Result }
  | { readonly kind: 'error'; readonly error: SerializedError };
