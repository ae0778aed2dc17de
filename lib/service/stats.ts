import type { ServiceParts } from './parts.js';
import type { ServiceStats } from './service-status.js';
import { knownRepositories } from './status.js';

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
    threads: { mirrors: mirrors.threads, builds: writer.threads },
  };
}
