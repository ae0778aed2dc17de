import { availableParallelism } from 'node:os';
import { z } from 'zod';
import {
  bytes,
  callback,
  checkOptions,
  duration,
  methods,
  milliseconds,
} from '../check-options.js';
import { SnapshotError } from '../errors.js';
import type { LockRegistry } from '../locks/registry.js';
import { HOST } from '../repository.js';
import type { SnapshotStore } from '../stores/store.js';
import type { Authorize } from './authorize.js';
import type { CredentialsProvider } from './credentials.js';

/** The methods of a pino-like logger that the service calls. */
export interface Logger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const MINUTE = 60_000;

const count = z.number().int().min(1).max(0x7fff_ffff);

const httpUrl = z.url({ protocol: /^https?$/ }).refine((text) => {
  if (!URL.canParse(text)) return true; // z.url has already said so
  const url = new URL(text);
  return url.username === '' && url.password === '' && url.search === '' && url.hash === '';
}, 'must have no credentials, query or fragment');

const host = z.strictObject({
  /** The base URL of the host's repositories. Default: `https://{host}`. */
  baseUrl: httpUrl.optional(),
  /** The base of `remote.origin.url` in snapshots. Default: `baseUrl`. */
  publicUrl: httpUrl.optional(),
  /**
   * Called once for each fetch. Default: fetch anonymously. Risk: all clients of the router can
   * read everything that these credentials can read; restrict this with `authorize`.
   */
  credentials: callback<CredentialsProvider>().optional(),
  /**
   * Base URLs below which redirects may lead, beside `baseUrl`. Default: none. Risk: `authorize`
   * sees the repository that the client names, not the target of a redirect.
   */
  redirectTo: z.array(httpUrl).default([]),
  /**
   * Whether `Org/Repo` and `org/repo` are one repository to the host. Then all paths are in lower
   * case, also for `authorize` and in `remote.origin.url`. Default: true for github.com,
   * gitlab.com, bitbucket.org and codeberg.org.
   */
  caseInsensitivePaths: z.boolean().optional(),
  /**
   * Refuses commits that a client requests by id and that no branch or tag reaches, even if they
   * are already stored. Default: false. Risk: many hosts keep the commits of pull requests, also
   * from forks, and give them by id to everyone who may read the repository.
   */
  onlyReachableCommits: z.boolean().default(false),
  /**
   * Lets the host and the hosts of `redirectTo` resolve to private, loopback and link-local
   * addresses. Default: false.
   */
  allowPrivateAddresses: z.boolean().default(false),
});

const hostName = z
  .string()
  .refine(
    (name) => HOST.test(name) && name === name.toLowerCase(),
    'must be a lower-case host name, with a port where clients are to name one',
  );

const hosts = z.union([
  z.array(hostName).transform((names) => Object.fromEntries(names.map((n) => [n, host.parse({})]))),
  z.record(hostName, host),
]);

const limits = z.strictObject({
  /** Clones per host that run at once. More wait. */
  concurrentClones: count.default(2),
  /** Checks and fetches per host that run at once, and as many queries to mirrors. More wait. */
  concurrentFetches: count.default(8),
  /** Builds that run at once. More wait in a queue, in fair turns. */
  concurrentGenerations: count.default(2),
  /**
   * Artifacts that are built or queued, and repositories whose mirrors `ensure-refs` and bundles
   * query. More get 503. Hits always pass.
   */
  maxPending: count.default(1000),
  /** Variants and bundles of one repository that are built or queued. One more gets 429. */
  maxPendingVariants: count.default(32),
  /** Threads that resolve the deltas of one pack. */
  indexThreads: count.max(64).default(Math.min(4, availableParallelism())),
  /**
   * Milliseconds within which a clone or fetch must make progress: until the first MiB of the pack,
   * for each further 256 MiB, and from its end to the verified mirror. The whole has no limit.
   */
  cloneTimeout: milliseconds.default(120 * MINUTE),
  /** Milliseconds for one build, for storing it, for one repack, and for one connectivity check. */
  generationTimeout: milliseconds.default(30 * MINUTE),
  /** Milliseconds within which a connection to the upstream must be made. */
  connectTimeout: milliseconds.default(10_000),
  /** Milliseconds within which the upstream's list of refs must arrive. */
  refsTimeout: milliseconds.default(MINUTE),
  /** Milliseconds without a byte of the pack, after its first byte. */
  stallTimeout: milliseconds.default(MINUTE),
  /** Milliseconds after which a connection is cut if its client takes no byte. */
  clientStallTimeout: milliseconds.default(5 * MINUTE),
  /** Milliseconds for which a failed clone or build is remembered, not repeated. 0: not at all. */
  failureMemory: duration.default(30_000),
  /** Bytes of the upstream's list of refs. */
  maxRefsBytes: bytes.default(64 * MIB),
  /** Bytes of one pack. */
  maxPackBytes: bytes.default(16 * GIB),
  /** Objects in one pack. Each takes 50 bytes of memory while it is indexed. */
  maxObjects: count.default(20_000_000),
  /** Bytes of one object, inflated. */
  maxObjectBytes: bytes.default(4 * GIB),
  /** Bytes of all objects of one pack, inflated and with deltas applied. */
  maxResolvedBytes: bytes.default(2048 * GIB),
  /** The highest ratio of these resolved bytes to the bytes of the pack. Applies above 4 GiB. */
  maxExpansion: count.default(5000),
  /** Bytes of an object that must be in memory as a whole: deltas, their bases, converted text. */
  maxObjectBytesInMemory: bytes.max(2 * GIB - 1).default(512 * MIB),
  /** Bytes of delta bases that each indexing thread caches. A build caches half of it. */
  deltaCacheBytes: bytes.default(16 * MIB),
  /** Files in one checkout. */
  maxFiles: count.default(2_000_000),
  /** Bytes of the paths of all files in one checkout, each from the root. */
  maxPathBytes: bytes.default(256 * MIB),
  /** Bytes of the files of one checkout. */
  maxCheckoutBytes: bytes.default(16 * GIB),
  /** Steps to match paths with `.gitattributes` in one checkout: bytes compared, 5 ns each. */
  maxAttributeSteps: bytes.default(2_000_000_000),
  /** Bytes of all mirrors. The least recently used are evicted first, but never one in use. */
  maxMirrorBytes: bytes.default(100 * GIB),
  /** Stored snapshots by `ref` or `depth`, and bundles, of one repository. */
  maxVariants: z.number().int().min(0).max(10_000).default(16),
  /** Bytes of the default store's directory. The least recently used artifacts go first. */
  maxStoreBytes: bytes.default(50 * GIB),
});

const freshness = z.strictObject({
  /**
   * If the last check is older than `maxAge`, `stale-while-revalidate` serves the stored snapshot,
   * and checks the upstream in the background. `strict` checks the upstream first, and builds a new
   * snapshot if refs have moved. Both serve the stored snapshot when the upstream can't be reached.
   */
  mode: z.enum(['stale-while-revalidate', 'strict']).default('stale-while-revalidate'),
  /**
   * Milliseconds for which a check of the upstream counts. A failed check counts no longer than
   * `checkInterval`. 0: each request checks.
   */
  maxAge: duration.default(MINUTE),
  /** The least milliseconds between an upstream's checks in the background or for a missing ref. */
  checkInterval: duration.default(5000),
  /**
   * The least milliseconds between background builds of a default snapshot after pushes. Mirror and
   * bundles stay fresh. No effect in mode `strict` or on a refresh by hand.
   */
  minRebuildInterval: duration.default(5 * MINUTE),
  /**
   * Milliseconds for which an upstream may refuse a repository (401, 403, 404 or 410, and no other
   * answer) before the repository is no longer served, and its mirror and stored artifacts are
   * deleted: it became private or was deleted. An outage never has this effect. Risk: expired
   * credentials cause refusals, too.
   */
  forgetAfter: duration.default(60 * MINUTE),
  /** Milliseconds between refreshes of repositories in use. Default: only requests cause them. */
  refreshInterval: milliseconds.optional(),
  /** Milliseconds after the last request for which a repository counts as in use. */
  keepWarmFor: milliseconds.default(24 * 60 * MINUTE),
});

const snapshot = z.strictObject({
  /** zstd level of everything but packs, which do not compress. 1 (fast) to 19 (small). */
  compressionLevel: z.number().int().min(1).max(19).default(1),
  /**
   * Writes `core.checkStat=minimal` and `core.trustctime=false` into the snapshot's config. Without
   * it, the first `git status` re-reads every file.
   */
  trustFileTimes: z.boolean().default(true),
});

const schema = z.strictObject({
  /** Directory for mirrors, unfinished files and the default store; made if missing. */
  dataDir: z.string().min(1, 'must be a path'),
  /** The allow-list: no other host is ever reached. */
  hosts,
  /** Decides for each request whether the client may have the artifact. Default: it may. */
  authorize: callback<Authorize>().optional(),
  /** Default: a `FileSystemStore` in `dataDir`. */
  store: methods<SnapshotStore>(
    ['stat', 'open', 'put', 'delete', 'list'],
    'a SnapshotStore',
  ).optional(),
  /** Default: `MemoryLocks`. */
  locks: methods<LockRegistry>(['acquire'], 'a LockRegistry').optional(),
  limits: limits.prefault({}),
  freshness: freshness.prefault({}),
  snapshot: snapshot.prefault({}),
  /** Default: silent. */
  logger: methods<Logger>(['warn', 'error'], 'a logger').optional(),
  /**
   * Redirects git itself, which asks for `{mount}/{host}/{path}/info/refs`, to the host's
   * `publicUrl`. So `url.{mount}.insteadOf` also works for clones and pulls. Default: false: the
   * host app gets such requests.
   */
  redirectGit: z.boolean().default(false),
  /** Sent upstream. Some hosts choose the smart protocol by the `git/` at its start. */
  userAgent: z
    .string()
    .regex(/^[\x20-\x7e]+$/, 'must be printable ASCII')
    .default('git/2.0 (express-git-snapshot)'),
});

const serviceSchema = schema.omit({ authorize: true, redirectGit: true });
const routerSchema = schema
  .pick({ authorize: true, redirectGit: true, logger: true })
  .extend({ clientIdleTimeout: limits.shape.clientStallTimeout });

/** The options of `createSnapshotRouter`. */
export type SnapshotOptions = z.input<typeof schema>;
/** The options of `createSnapshotService`: those that do not concern HTTP. */
export type ServiceOptions = z.input<typeof serviceSchema>;
/** The options of a router over a service that exists already. */
export type RouterOptions = z.input<typeof routerSchema>;
/** The checked options of a router. */
export type RouterConfig = Readonly<z.output<typeof routerSchema>>;
/** The checked options with every default in place, deeply frozen. */
export type SnapshotConfig = z.output<typeof schema>;
export type HostConfig = z.output<typeof host>;
export type Limits = z.output<typeof limits>;
export type FreshnessPolicy = z.output<typeof freshness>;
export type SnapshotFormat = z.output<typeof snapshot>;

/**
 * Checks the options and fills in the defaults.
 *
 * @throws SnapshotError `INVALID_OPTIONS`, whose message names each option that is wrong.
 */
export function parseOptions(options: SnapshotOptions): SnapshotConfig {
  const config = checkOptions(schema, options);
  if (options.store !== undefined && options.limits?.maxStoreBytes !== undefined) {
    const message = 'limits.maxStoreBytes: is of the default store; give the limit to your store';
    throw new SnapshotError('INVALID_OPTIONS', `invalid options: ${message}`);
  }
  const { hosts, limits, freshness, snapshot } = config;
  const lists = Object.values(hosts).map(({ redirectTo }) => redirectTo);
  const parts = [...lists, ...Object.values(hosts), hosts, limits, freshness, snapshot];
  for (const part of parts) Object.freeze(part);
  return Object.freeze(config);
}

/**
 * As `parseOptions`, for a service without HTTP.
 *
 * @throws SnapshotError `INVALID_OPTIONS`, also for options that have no effect there.
 */
export function parseServiceOptions(options: ServiceOptions): SnapshotConfig {
  checkOptions(serviceSchema, options);
  return parseOptions(options);
}

/** The options that concern the router. */
export function routerConfig({
  authorize,
  redirectGit,
  logger,
  limits,
}: SnapshotConfig): RouterConfig {
  return { authorize, redirectGit, logger, clientIdleTimeout: limits.clientStallTimeout };
}

/**
 * As `parseOptions`, for a router over a service that exists already.
 *
 * @throws SnapshotError `INVALID_OPTIONS`, also for options that concern only a service.
 */
export function parseRouterOptions(options: RouterOptions): RouterConfig {
  return Object.freeze(checkOptions(routerSchema, options));
}
