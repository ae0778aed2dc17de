import type { SnapshotService } from '../service/snapshot-service.js';
import type { Meters } from './meters.js';

/** In `stats()` → `git_snapshot.job`. */
const JOBS = {
  clones: 'clone',
  fetches: 'fetch',
  queries: 'query',
  repacks: 'repack',
  builds: 'build',
} as const;

const POOLS = ['mirrors', 'builds'] as const;

/** Reads the statistics of a service when metrics are collected. @returns a function that ends this. */
export function observeStats(service: Pick<SnapshotService, 'stats'>, meters: Meters): () => void {
  return meters.observe(
    [
      'git_snapshot.job.count',
      'git_snapshot.thread.count',
      'git_snapshot.repository.count',
      'git_snapshot.mirror.count',
      'git_snapshot.mirror.size',
    ],
    (observe) => {
      const stats = service.stats();
      observe('git_snapshot.repository.count', stats.repositories, {});
      observe('git_snapshot.mirror.count', stats.mirrors.count, {});
      observe('git_snapshot.mirror.size', stats.mirrors.bytes, {});
      for (const kind of keysOf(JOBS)) {
        const about = { 'git_snapshot.job': JOBS[kind] };
        for (const state of ['running', 'queued'] as const) {
          const value = stats[kind][state];
          observe('git_snapshot.job.count', value, { ...about, 'git_snapshot.state': state });
        }
      }
      for (const pool of POOLS) {
        for (const state of ['busy', 'idle'] as const) {
          const about = { 'git_snapshot.pool': pool, 'git_snapshot.state': state };
          observe('git_snapshot.thread.count', stats.threads[pool][state], about);
        }
      }
    },
  );
}

function keysOf<Key extends string>(record: Readonly<Record<Key, unknown>>): Key[] {
  return Object.keys(record) as Key[];
}
