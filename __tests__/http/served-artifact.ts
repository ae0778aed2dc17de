import { Readable } from 'node:stream';
import { type ArtifactId, defaultSnapshot } from '../../lib/artifact/id.js';
import { parseRepository, type RepositoryId } from '../../lib/repository.js';
import { seededBytes } from '../support/random.js';
import { COMMIT, FakeService } from './fake-service.js';
import {
  EXPRESS,
  type ExpressVersion,
  MOUNTS,
  type MountName,
  type Reply,
  type SendOptions,
  send,
  serve,
  type TestServer,
} from './test-server.js';

const STORED = parseRepository('github.com/org/repo');
export const BYTES = seededBytes('artifact', 1000);
export const LAST_MODIFIED = 'Thu, 29 Feb 2024 12:30:15 GMT';
export const LATER = 'Fri, 01 Mar 2024 00:00:00 GMT';
export const EARLIER = 'Wed, 28 Feb 2024 00:00:00 GMT';
const BASE = 'b'.repeat(40);

/** What varies per artifact type. */
const ARTIFACTS = {
  'snapshot.tar.zst': {
    file: 'snapshot.tar.zst',
    idOf: (repository: RepositoryId): ArtifactId => defaultSnapshot(repository),
    extension: 'tar.zst',
    headers: {
      'content-type': 'application/zstd',
      'snapshot-commit': COMMIT,
      'x-cachew-snapshot-commit': COMMIT,
    },
    asksStored: ['get'],
    asksNew: ['get'],
  },
  'snapshot.tar.zst?ref&depth': {
    file: 'snapshot.tar.zst?ref=v1.0&depth=3',
    idOf: (repository: RepositoryId): ArtifactId => ({
      ...defaultSnapshot(repository),
      ref: 'v1.0',
      depth: 3,
    }),
    extension: 'tar.zst',
    headers: {
      'content-type': 'application/zstd',
      'snapshot-commit': COMMIT,
      'x-cachew-snapshot-commit': COMMIT,
    },
    asksStored: ['get'],
    asksNew: ['get'],
  },
  'snapshot.bundle': {
    file: `snapshot.bundle?base=${BASE}`,
    idOf: (repository: RepositoryId): ArtifactId => ({ kind: 'bundle', repository, base: BASE }),
    extension: 'bundle',
    headers: { 'content-type': 'application/x-git-bundle' },
    asksStored: ['statStored revalidate', 'openStored'],
    asksNew: ['statStored revalidate', 'isHead', 'get'],
  },
};
type ArtifactName = keyof typeof ARTIFACTS;

/** Every artifact type with every version of Express, mounted in every way. */
export const CASES = Object.keys(ARTIFACTS).flatMap((artifact) =>
  Object.keys(EXPRESS).flatMap((version) =>
    Object.keys(MOUNTS).map(
      (mount) => [artifact, version, mount] as [ArtifactName, ExpressVersion, MountName],
    ),
  ),
);

/** An artifact of two repositories, one of which has it stored as `BYTES`. Valid while a test runs. */
export interface ServedArtifact {
  readonly source: FakeService;
  readonly server: TestServer;
  /** Its name in a URL. */
  readonly file: string;
  readonly idOf: (repository: RepositoryId) => ArtifactId;
  readonly extension: string;
  /** The paths of the stored artifact, and of one that is not stored. */
  readonly path: string;
  readonly missing: string;
  /** The headers of this artifact type only, and all headers of the stored artifact. */
  readonly ownHeaders: Readonly<Record<string, string>>;
  readonly storedHeaders: Readonly<Record<string, string>>;
  /** The calls of the source that a plain GET makes. */
  readonly asksStored: readonly string[];
  readonly asksNew: readonly string[];
  /** @param path default: of the stored artifact. */
  get(headers?: Record<string, string>, path?: string, options?: SendOptions): Promise<Reply>;
  /** Has the source build artifacts. @returns a function that counts the builds. */
  build(): () => number;
}

/** Registers hooks that serve one of `CASES`. */
export function servedArtifact(
  artifact: ArtifactName,
  version: ExpressVersion,
  mount: MountName,
): ServedArtifact {
  const { headers: ownHeaders, ...rest } = ARTIFACTS[artifact];
  const path = `/github.com/org/repo/${rest.file}`;
  let source = new FakeService();
  let server: TestServer | undefined;

  const running = (): TestServer => {
    if (server === undefined) throw new Error('the server runs only during tests');
    return server;
  };

  beforeEach(async () => {
    source = new FakeService();
    source.store(rest.idOf(STORED), { bytes: BYTES, etag: '"v1"' });
    server = await serve(source, { version, mount });
  });

  afterEach(() => running().close());

  return {
    ...rest,
    path,
    missing: `/github.com/org/new/${rest.file}`,
    ownHeaders,
    storedHeaders: {
      ...ownHeaders,
      'cache-control': 'no-cache',
      etag: '"v1"',
      'last-modified': LAST_MODIFIED,
      'accept-ranges': 'bytes',
      'content-disposition': `attachment; filename="repo.${rest.extension}"`,
    },
    get source() {
      return source;
    },
    get server() {
      return running();
    },
    get: (headers = {}, at = path, options = {}) => send(running(), at, { headers, ...options }),
    build() {
      let built = 0;
      source.build = () => {
        built++;
        return { body: Readable.from([BYTES.subarray(0, 10), BYTES.subarray(10)]) };
      };
      return () => built;
    },
  };
}
