import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import {
  MemoryStore,
  type SnapshotEvents,
  type SnapshotOptions,
  type SnapshotService,
} from '../../lib/index.js';
import { type FreshRepository, freshRepository, read } from '../support/fresh-repository.js';
import type { Cleanup } from '../support/temporary-directory.js';

/** A repository, and services with disks of their own that share a store. */
export interface ReplicaScene {
  readonly repository: FreshRepository;
  readonly store: MemoryStore;
  /** Starts a service whose disk is empty; with what it tells of clones. */
  replica(limits?: SnapshotOptions['limits']): Promise<Replica>;
  /** Puts something else in the place of what is stored of the repository. */
  storeInstead(
    service: SnapshotService,
    change: (bytes: Buffer) => Buffer | Promise<Buffer>,
  ): Promise<void>;
  /** Reads what needs a mirror. */
  variant(service: SnapshotService): ReturnType<typeof read>;
}

export interface Replica {
  readonly service: SnapshotService;
  readonly dataDir: string;
  readonly cloned: SnapshotEvents['cloneFinished'][0][];
  readonly failed: SnapshotEvents['restoreFailed'][0][];
}

export async function replicaScene({ directory, defer }: Cleanup): Promise<ReplicaScene> {
  const repository = await freshRepository({ directory, defer });
  const store = new MemoryStore({ maxBytes: 1e9 });
  return {
    repository,
    store,
    async replica(limits = {}) {
      const dataDir = await directory();
      const service = repository.start({ store, dataDir, limits });
      const cloned: Replica['cloned'] = [];
      const failed: Replica['failed'] = [];
      service.events.on('cloneFinished', (event) => cloned.push(event));
      service.events.on('restoreFailed', (event) => failed.push(event));
      return { service, cloned, failed, dataDir };
    },
    async storeInstead(service, change) {
      const opened = await service.open(repository.id);
      const { value: stored } = await store.list().next();
      if (opened === undefined || stored === undefined) throw new Error('nothing is stored');
      const writer = await store.create(stored.key, stored.metadata);
      await writer.write(await change(await buffer(opened.body)));
      await writer.commit();
    },
    variant: (service) => read(service, { ...repository.id, depth: 1 }),
  };
}

export async function onlyMirror(dataDir: string): Promise<string> {
  const [name, ...others] = await readdir(join(dataDir, 'mirrors'));
  if (name === undefined || others.length > 0) throw new Error('there is not one mirror');
  return join(dataDir, 'mirrors', name);
}
