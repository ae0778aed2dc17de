import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { artifactKey } from '../../lib/artifact/key.js';
import {
  type JobEndedEvent,
  MemoryStore,
  type MirrorSeedFailedEvent,
  type SnapshotOptions,
  type SnapshotService,
} from '../../lib/index.js';
import { read } from '../support/fresh-repository.js';
import type { HostApp } from '../support/host-app.js';
import { expectNothingLeft } from '../support/nothing-left.js';
import type { OwnRepository } from '../support/own-repository.js';
import { listen } from '../support/service-events.js';

/** Services that share a store. Each has a disk of its own, which at first has nothing of the test's repository. */
export interface ReplicaScene {
  /** Of all tests. */
  readonly store: MemoryStore;
  /** Has the first service store the default snapshot. */
  stored(): ReturnType<typeof read>;
  /** Replaces the stored snapshot. */
  storeInstead(change: (bytes: Buffer) => Buffer | Promise<Buffer>): Promise<void>;
  /** Starts another service, and counts its clones of the test's repository. */
  replica(options?: Partial<SnapshotOptions>): Promise<Replica>;
  /** Starts one of the test's own. */
  ownReplica(options: Partial<SnapshotOptions>): Promise<Replica>;
  /** Reads an artifact that needs a mirror. */
  variant(service: SnapshotService): ReturnType<typeof read>;
  /** Closes the services of all tests, and asserts that they leave nothing behind. */
  end(): Promise<void>;
}

export interface Replica {
  readonly service: SnapshotService;
  readonly dataDir: string;
  readonly cloned: Extract<JobEndedEvent, { kind: 'clone' }>[];
  readonly failed: MirrorSeedFailedEvent[];
}

export function replicaScene(repository: OwnRepository): ReplicaScene {
  const store = new MemoryStore({ maxBytes: 1e9 });
  const apps = new Map<string, Promise<HostApp>>();

  const shared = (name: string, options: Partial<SnapshotOptions> = {}): Promise<HostApp> => {
    const key = `${name} ${JSON.stringify(options)}`;
    const app = apps.get(key) ?? repository.startSharedApp({ store, ...options });
    apps.set(key, app);
    return app;
  };

  const watched = ({ dataDir, router: { service } }: HostApp): Replica => {
    const { path } = repository;
    const cloned: Replica['cloned'] = [];
    const failed: Replica['failed'] = [];
    const onCloned = (event: Replica['cloned'][number]) => {
      if (event.repository.path === path) cloned.push(event);
    };
    const onFailed = (event: Replica['failed'][number]) => {
      if (event.repository.path === path) failed.push(event);
    };
    repository.defer(listen(service, 'clone done', onCloned));
    repository.defer(listen(service, 'mirrorSeedFailed', onFailed));
    return { service, cloned, failed, dataDir };
  };

  const first = async () => (await shared('first')).router.service;
  return {
    store,
    stored: async () => await read(await first(), repository.snapshot),
    async storeInstead(change) {
      const opened = await store.open(artifactKey(repository.snapshot));
      if (opened === undefined) throw new Error('nothing is stored');
      const { key, metadata } = opened;
      const changed = await change(await buffer(opened.body));
      await store.put(key, Readable.from([changed]), { metadata });
    },
    replica: async (options) => watched(await shared('replica', options)),
    ownReplica: async (options) => watched(await repository.startApp({ store, ...options })),
    variant: (service) => read(service, { ...repository.snapshot, depth: 1 }),
    async end() {
      for (const { dataDir, router } of await Promise.all(apps.values())) {
        await router.service.close({ drain: true });
        await expectNothingLeft(dataDir, repository.upstream);
      }
    },
  };
}
