import type { SerializedError } from '../errors.js';
import type { EntryQueueMemory } from './entry-queue.js';
import type { IngestLimits } from './limits.js';
import type { ObjectColumns } from './object-table.js';
import type { SecondPass } from './second-pass.js';

/** The `workerData` of a resolver's thread. */
export interface ResolverThreadData {
  readonly queue: EntryQueueMemory;
}

/** From `ResolverThread` to its thread, which answers each order by `done` or `error`. */
export type ResolverOrder =
  /** Resolve the entries that come through the queue until it is paused. `fd`: the pack. */
  | {
      readonly kind: 'begin';
      readonly fd: number;
      readonly columns: ObjectColumns;
      readonly limits: IngestLimits;
    }
  | { readonly kind: 'second-pass'; readonly pass: SecondPass };

export type ResolverAnswer =
  /** The thread has started. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'done' }
  | { readonly kind: 'error'; readonly error: SerializedError }
  /** The queue has the room that `askForRoom` wanted. */
  | { readonly kind: 'room' };
