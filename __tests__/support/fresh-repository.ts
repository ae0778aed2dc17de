import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import {
  createSnapshotService,
  type SnapshotEvents,
  type SnapshotOptions,
  type SnapshotService,
} from '../../lib/index.js';
import type { ArtifactId } from '../../lib/snapshot/artifact.js';
import { HOST } from './host-app.js';
import { git } from './run.js';
import { buildSmall } from './small-repositories.js';
import type { Cleanup } from './temporary-directory.js';
import { startUpstream, type Upstream } from './upstream.js';

export interface ReadArtifact {
  readonly source: 'store' | 'generation';
  readonly bytes: Buffer;
  readonly commit: string | undefined;
  readonly etag: string;
}

/** A repository at an upstream of its own, to be pushed to, and services that serve it. */
export interface FreshRepository {
  readonly path: string;
  readonly id: { readonly host: string; readonly path: string };
  /** At the upstream. */
  readonly bare: string;
  readonly upstream: Upstream;
  /** Of all services that are started. */
  readonly dataDir: string;
  start(options?: Partial<SnapshotOptions>): SnapshotService;
  /** HEAD's commit at the upstream. */
  head(): Promise<string>;
  /** The only mirror. */
  mirror(): Promise<string>;
}

export async function freshRepository(
  { directory, defer }: Cleanup,
  build: (bare: string) => Promise<void> = buildSmall,
): Promise<FreshRepository> {
  const root = await directory();
  const path = 'org/repo';
  const bare = join(root, `${path}.git`);
  await build(bare);
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  const dataDir = await directory();
  return {
    path,
    id: { host: HOST, path },
    bare,
    upstream,
    dataDir,
    start(options = {}) {
      const hosts = { [HOST]: { baseUrl: upstream.url, allowPrivateAddresses: true } };
      const service = createSnapshotService({ dataDir, hosts, ...options });
      defer(() => service.close());
      return service;
    },
    head: () => git(bare, 'rev-parse', 'HEAD'),
    async mirror() {
      const mirrors = join(dataDir, 'mirrors');
      const [name, ...others] = await readdir(mirrors);
      if (name === undefined || others.length > 0) throw new Error('there is not one mirror');
      return join(mirrors, name);
    },
  };
}

/** Gets an artifact, all of it. */
export async function read(service: SnapshotService, id: ArtifactId): Promise<ReadArtifact> {
  const { source, body, commit, etag } = await service.get(id);
  return { source, bytes: await buffer(body), commit, etag };
}

/** What the next event of a name tells. */
export async function next<Name extends keyof SnapshotEvents>(
  service: SnapshotService,
  name: Name,
): Promise<SnapshotEvents[Name]> {
  return (await once(service.events, name)) as SnapshotEvents[Name];
}

/** Counts events from now on. */
export function counter(service: SnapshotService, name: keyof SnapshotEvents): () => number {
  let count = 0;
  service.events.on(name, () => count++);
  return () => count;
}
