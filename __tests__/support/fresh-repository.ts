import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { isDeepStrictEqual } from 'node:util';
import type { StoredArtifact } from '../../lib/artifact/artifact.js';
import { type ArtifactId, defaultSnapshot, type SnapshotId } from '../../lib/artifact/id.js';
import {
  createSnapshotService,
  type SnapshotOptions,
  type SnapshotService,
} from '../../lib/index.js';
import type { RepositoryId } from '../../lib/repository.js';
import {
  BUILD_AT_ONCE,
  HOST,
  type HostApp,
  type HostAppOptions,
  startHostApp,
} from './host-app.js';
import { git } from './run.js';
import { type EventName, listen, nextEvent } from './service-events.js';
import { buildSmall } from './small-repositories.js';
import type { Cleanup } from './temporary-directory.js';
import { startUpstream, type Upstream } from './upstream.js';

export interface ReadArtifact {
  readonly source: 'store' | 'build';
  readonly bytes: Buffer;
  readonly commit: string | undefined;
  readonly etag: string;
}

/**
 * A repository at an upstream of its own, which tests can push to, and services and apps that serve it. All of
 * it ends with the test.
 */
export interface FreshRepository {
  readonly path: string;
  readonly id: RepositoryId;
  /** The id of its default snapshot. */
  readonly snapshot: SnapshotId;
  /** Where the upstream serves it; with `.git` as well. */
  readonly url: string;
  /** At the upstream. */
  readonly bare: string;
  readonly upstream: Upstream;
  /** The directory of the upstream's repositories. */
  readonly root: string;
  /** Of all services and apps that are started without one. */
  readonly dataDir: string;
  /** Starts a service. */
  start(options?: Partial<SnapshotOptions>): SnapshotService;
  /** Starts an Express app with a router. */
  startApp(options?: Partial<HostAppOptions>): Promise<HostApp>;
  /** Makes another repository at the same upstream. @returns where it is on disk. */
  add(path: string, build?: (bare: string) => Promise<void>): Promise<string>;
  /** HEAD's commit at the upstream. */
  head(): Promise<string>;
  /** The only mirror. */
  mirror(): Promise<string>;
}

export async function freshRepository(
  { directory, defer }: Cleanup,
  build: (bare: string) => Promise<void> = buildSmall,
  path = 'org/repo',
): Promise<FreshRepository> {
  const root = await directory();
  const add = async (added: string, make = buildSmall) => {
    const bare = join(root, `${added}.git`);
    await make(bare);
    return bare;
  };
  const bare = await add(path, build);
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  const dataDir = await directory();
  return {
    path,
    id: { host: HOST, path },
    snapshot: defaultSnapshot({ host: HOST, path }),
    url: `${upstream.url}/${path}`,
    bare,
    upstream,
    root,
    dataDir,
    start({ freshness, ...options } = {}) {
      const hosts = { [HOST]: { baseUrl: upstream.url, allowPrivateAddresses: true } };
      const service = createSnapshotService({
        dataDir,
        hosts,
        ...options,
        freshness: { ...BUILD_AT_ONCE, ...freshness },
      });
      defer(() => service.close());
      return service;
    },
    async startApp(options = {}) {
      const app = await startHostApp({ dataDir, upstreamUrl: upstream.url, ...options });
      defer(() => app.close());
      return app;
    },
    add,
    head: () => git(bare, 'rev-parse', 'HEAD'),
    async mirror() {
      const mirrors = join(dataDir, 'mirrors');
      const [name, ...others] = await readdir(mirrors);
      if (name === undefined || others.length > 0) throw new Error('there is not one mirror');
      return join(mirrors, name);
    },
  };
}

/**
 * Reads an artifact to its end. If it was built, waits until it is stored, so that the next request finds it
 * in the store.
 */
export async function read(service: SnapshotService, id: ArtifactId): Promise<ReadArtifact> {
  const artifact = await readAtOnce(service, id);
  if (artifact.source === 'build') await service.statStored(id).catch(() => {});
  return artifact;
}

/** Reads an artifact to its end, without waiting for the store. */
export async function readAtOnce(service: SnapshotService, id: ArtifactId): Promise<ReadArtifact> {
  const { source, body, commit, etag } = await service.get(id);
  return { source, bytes: await buffer(body), commit, etag };
}

/** Waits for the next event of a name, and returns it. With a repository: for its next event. */
export function next<Name extends EventName>(
  service: SnapshotService,
  name: Name,
  repository?: RepositoryId,
) {
  return nextEvent(
    service,
    name,
    (about) => repository === undefined || isAbout(repository, about),
  );
}

/** Resolves when an artifact was built once more and is stored: the next request is served the new one. */
export async function rebuilt(service: SnapshotService, id: ArtifactId): Promise<void> {
  await next(service, 'build done', id.repository);
  await service.statStored(id);
}

/** Resolves when a stored artifact is as wanted, after any number of builds. */
export async function untilStored(
  service: SnapshotService,
  id: ArtifactId,
  isWanted: (stored: StoredArtifact | undefined) => boolean | Promise<boolean>,
): Promise<void> {
  for (;;) {
    const finished = next(service, 'build done', id.repository);
    // The event comes before the artifact is stored: this waits for one that is being stored.
    if (await isWanted(await service.statStored(id))) return;
    await finished;
  }
}

/** Counts events from now on; only of one repository, if it is given. */
export function counter(
  service: SnapshotService,
  name: EventName,
  repository?: RepositoryId,
): () => number {
  let count = 0;
  listen(service, name, (about: object) => {
    if (repository === undefined || isAbout(repository, about)) count++;
  });
  return () => count;
}

function isAbout({ host, path }: RepositoryId, about: object): boolean {
  if (!('repository' in about)) return false;
  return isDeepStrictEqual({ ...Object(about.repository) }, { host, path });
}
