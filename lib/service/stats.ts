import type { LoadCounts } from '../async/load.js';
import type { ServiceParts } from './parts.js';
import { knownRepositories } from './status.js';

/** The state of a service at this moment, for gauges. Events have what happens in between. */
export interface ServiceStats {
  /** Repositories that have a mirror, or that clients have requested. */
  readonly repositories: number;
  /** Mirrors that are ready, and the bytes of their packs and idx files. */
  readonly mirrors: { readonly count: number; readonly bytes: number };
  /** Clones of upstreams. */
  readonly clones: LoadCounts;
  /** Checks of upstreams, and fetches. */
  readonly fetches: LoadCounts;
  /** Queries to mirrors, for `ensureRefs` and `isHead`. */
  readonly queries: LoadCounts;
  /** Repacks and connectivity checks of mirrors. */
  readonly repacks: LoadCounts;
  /** Builds. `running` write bytes; `queued` wait for a lock, their mirror or their turn. */
  readonly builds: LoadCounts;
}

/** Cost: linear in the known repositories. */
export function statsOf(parts: ServiceParts): ServiceStats {
  const { mirrors, pending, writer } = parts;
  const ready = mirrors.list().filter(({ state }) => state === 'ready');
  const running = writer.running;
  return {
    repositories: knownRepositories(parts).length,
    mirrors: { count: ready.length, bytes: ready.reduce((sum, { bytes }) => sum + bytes, 0) },
    ...mirrors.loads(),
    builds: { running, queued: pending.builds - running },
  };
}
