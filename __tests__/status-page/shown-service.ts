import { allowedRepository } from '../../lib/artifact/validate-id.js';
import type { AllowList } from '../../lib/config/hosts.js';
import { parseOptions } from '../../lib/config/options.js';
import { SnapshotEmitter } from '../../lib/events/emitter.js';
import { Job } from '../../lib/events/job.js';
import type { JobKind } from '../../lib/events/job-events.js';
import type { RepositoryStatus, ServiceStats, StoredArtifact } from '../../lib/index.js';
import { checkRepository, type RepositoryId, repositoryKey } from '../../lib/repository.js';
import type { DiskUsage } from '../../lib/service/service-status.js';
import type { ShownSnapshots } from '../../lib/status-page/index.js';
import { unknownStatus } from '../../lib/status-page/row.js';

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** A service for a status page. The test sets its repositories, events and answers. */
export class ShownService {
  readonly emitter = new SnapshotEmitter();
  readonly events = this.emitter.source;
  readonly statuses = new Map<string, RepositoryStatus>();
  /** The calls so far, in order. */
  readonly calls: string[] = [];
  /** Replaces the statistics. */
  changed: Partial<ServiceStats> = {};
  usage: DiskUsage = {
    mirrors: { bytes: 40e9, maxBytes: 100e9 },
    store: { bytes: 47e9, maxBytes: 50e9 },
    disk: { freeBytes: 60e9, bytes: 200e9 },
  };
  /** Runs when an action begins. */
  act: (call: string) => Promise<void> = async () => {};
  /** Runs before the repositories are listed. */
  list: () => Promise<void> = async () => {};
  /** Runs after a status was read, before it is returned. */
  read: () => Promise<void> = async () => {};
  readonly #allowList: AllowList = parseOptions({ dataDir: 'unused', hosts: ['git.test'] });

  get shown(): ShownSnapshots {
    return { service: this };
  }

  add(name: string, status: Partial<RepositoryStatus> = {}): RepositoryId {
    const repository = checkRepository(name);
    const stored = storedArtifact(repository, 1000);
    this.statuses.set(name, { ...unknownStatus(repository), stored, isCurrent: true, ...status });
    return repository;
  }

  /** Emits the events of a job. */
  job<Kind extends JobKind>(kind: Kind, name: string): Job {
    return new Job(this.emitter, {
      kind,
      repository: checkRepository(name),
      artifact: undefined,
    } as ConstructorParameters<typeof Job>[1]);
  }

  hit(name: string): void {
    const repository = checkRepository(name);
    const artifact = { kind: 'snapshot', repository } as const;
    const event = { repository, artifact, etag: '"e"', size: 1, ageMs: 0, stale: false };
    this.emitter.emit('hit', event);
  }

  resolve(repository: RepositoryId): RepositoryId {
    return allowedRepository(this.#allowList, repository);
  }

  async refresh(repository: RepositoryId): Promise<StoredArtifact> {
    await this.#act(`refresh ${repositoryKey(repository)}`);
    return storedArtifact(repository, 1000);
  }

  async purge(repository: RepositoryId): Promise<void> {
    await this.#act(`purge ${repositoryKey(repository)}`);
    this.statuses.delete(repositoryKey(repository));
  }

  async status(repository: RepositoryId): Promise<RepositoryStatus> {
    this.calls.push(`status ${repositoryKey(repository)}`);
    const status = this.statuses.get(repositoryKey(repository)) ?? unknownStatus(repository);
    await this.read();
    return status;
  }

  async listRepositories(): Promise<RepositoryStatus[]> {
    this.calls.push('listRepositories');
    await this.list();
    return [...this.statuses.values()];
  }

  async diskUsage(): Promise<DiskUsage> {
    await this.list();
    return this.usage;
  }

  stats(): ServiceStats {
    const idle = { running: 0, queued: 0 };
    const none = { busy: 0, idle: 0 };
    return {
      repositories: this.statuses.size,
      mirrors: { count: this.statuses.size, bytes: 40e9 },
      clones: idle,
      fetches: idle,
      queries: idle,
      repacks: idle,
      builds: idle,
      threads: { mirrors: none, builds: none },
      ...this.changed,
    };
  }

  async #act(call: string): Promise<void> {
    this.calls.push(call);
    await this.act(call);
  }
}

export function storedArtifact(repository: RepositoryId, size: number, storedAt = Date.now()) {
  return { repository, etag: '"e"', commit: COMMIT, size, storedAt, revision: 'r', metadata: {} };
}
