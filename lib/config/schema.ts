import { availableParallelism } from 'node:os';
import { z } from 'zod';
import {
  bytes,
  callback,
  duration,
  durationOrInfinity,
  methods,
  milliseconds,
} from '../check-options.js';
import { SnapshotError } from '../errors.js';
import { lockRegistrySchema } from '../locks/registry-schema.js';
import { HOST, parseRepository } from '../repository.js';
import { storeSchema } from '../stores/store-schema.js';
import type { Authorize } from './authorize.js';
import type { CredentialsProvider } from './credentials.js';
import type { Logger } from './logger.js';

// The type and default of each option. The interfaces in `*-options.ts` say what each option means.

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const MINUTE = 60_000;

const count = z.number().int().min(1).max(0x7fff_ffff);

const httpUrl = z.url({ protocol: /^https?$/ }).refine((text) => {
  if (!URL.canParse(text)) return true; // z.url has already said so
  const url = new URL(text);
  return url.username === '' && url.password === '' && url.search === '' && url.hash === '';
}, 'must have no credentials, query or fragment');

const proxyUrl = z.url({ protocol: /^https?$/ }).refine((text) => {
  if (!URL.canParse(text)) return true; // z.url has already said so
  const url = new URL(text);
  return url.pathname === '/' && url.search === '' && url.hash === '';
}, 'must have no path, query or fragment');

export const hostSchema = z
  .strictObject({
    baseUrl: httpUrl.optional(),
    originUrl: httpUrl.optional(),
    credentials: callback<CredentialsProvider>().optional(),
    redirectTo: z.array(httpUrl).readonly().default([]),
    caseInsensitivePaths: z.boolean().optional(),
    onlyReachableCommits: z.boolean().default(false),
    allowPrivateAddresses: z.boolean().default(false),
    proxy: proxyUrl.optional(),
  })
  .readonly();

const hostName = z
  .string()
  .refine(
    (name) => HOST.test(name) && name === name.toLowerCase(),
    'must be a lower-case host name, with a port if clients should write one',
  );

const hostRecord = z.record(hostName, hostSchema).readonly();
const hostNames = z
  .array(hostName)
  .readonly()
  .transform((names) => Object.fromEntries(names.map((name) => [name, {}])))
  .pipe(hostRecord);

export const concurrencySchema = z
  .strictObject({
    clonesPerHost: count.default(2),
    fetchesPerHost: count.default(8),
    builds: count.default(2),
    maxPendingBuilds: count.default(1000),
    maxPendingVariants: count.default(32),
    indexThreads: count.max(64).default(Math.min(4, availableParallelism())),
  })
  .readonly();

export const timeoutsSchema = z
  .strictObject({
    connectTimeout: milliseconds.default(10_000),
    refsTimeout: milliseconds.default(MINUTE),
    fetchTimeout: milliseconds.default(120 * MINUTE),
    idleTimeout: milliseconds.default(MINUTE),
    buildTimeout: milliseconds.default(30 * MINUTE),
  })
  .readonly();

export const limitsSchema = z
  .strictObject({
    maxRefsBytes: bytes.default(64 * MIB),
    maxPackBytes: bytes.default(16 * GIB),
    maxObjects: count.default(20_000_000),
    maxObjectBytes: bytes.default(4 * GIB),
    maxResolvedBytes: bytes.default(2048 * GIB),
    maxExpansionRatio: count.default(5000),
    maxObjectBytesInMemory: bytes.max(2 * GIB - 1).default(512 * MIB),
    maxFiles: count.default(2_000_000),
    maxPathBytes: bytes.default(256 * MIB),
    maxCheckoutBytes: bytes.default(16 * GIB),
    maxAttributeSteps: bytes.default(2_000_000_000),
  })
  .readonly();

export const budgetsSchema = z
  .strictObject({
    maxMirrorBytes: bytes.optional(),
    maxStoreBytes: bytes.optional(),
    maxVariants: z.number().int().min(0).max(10_000).default(16),
    deltaCacheBytes: bytes.default(16 * MIB),
  })
  .readonly();

export const freshnessSchema = z
  .strictObject({
    maxAge: duration.default(MINUTE),
    staleWhileRevalidate: durationOrInfinity.default(24 * 60 * MINUTE),
    staleIfError: durationOrInfinity.default(Number.POSITIVE_INFINITY),
    checkInterval: duration.default(5000),
    minRebuildInterval: duration.default(5 * MINUTE),
    negativeCacheTtl: duration.default(30_000),
    forgetAfter: duration.default(60 * MINUTE),
    refreshInterval: milliseconds.optional(),
    stopRefreshingAfter: milliseconds.default(24 * 60 * MINUTE),
  })
  .readonly();

export const snapshotSchema = z
  .strictObject({
    compressionLevel: z.number().int().min(1).max(19).default(1),
    trustFileTimes: z.boolean().default(true),
  })
  .readonly();

export const loggerSchema = z
  .union([methods<Logger>(['warn', 'error'], 'a logger'), z.literal(false)])
  .optional();

const repository = z.string().transform((text, context) => {
  try {
    return parseRepository(text);
  } catch (error) {
    if (!SnapshotError.is(error)) throw error;
    context.addIssue({ code: 'custom', message: 'must be a repository or its clone URL' });
    return z.NEVER;
  }
});

export const warmSchema = z.union([
  z.literal('recent'),
  z.array(repository).max(10_000).readonly(),
]);

const serviceShape = {
  dataDir: z.string().min(1, 'must be a path'),
  hosts: z.union([hostNames, hostRecord]),
  store: storeSchema.optional(),
  locks: lockRegistrySchema.optional(),
  freshness: freshnessSchema.prefault({}),
  concurrency: concurrencySchema.prefault({}),
  timeouts: timeoutsSchema.prefault({}),
  limits: limitsSchema.prefault({}),
  budgets: budgetsSchema.prefault({}),
  snapshot: snapshotSchema.prefault({}),
  logger: loggerSchema,
  warm: warmSchema.optional(),
  userAgent: z
    .string()
    .regex(/^[\x20-\x7e]+$/, 'must be printable ASCII')
    .default('git/2.0 (express-git-snapshot)'),
};

const routerShape = {
  authorize: callback<Authorize>().optional(),
  redirectGit: z.boolean().default(false),
  clientIdleTimeout: milliseconds.default(5 * MINUTE),
  logger: loggerSchema,
  offload: z.enum(['x-accel-redirect', 'x-sendfile']).optional(),
  keepAliveInterval: milliseconds.optional(),
};

export const serviceSchema = z.strictObject(serviceShape).readonly();
export const routerSchema = z.strictObject(routerShape).readonly();
export const snapshotOptionsSchema = z.strictObject({ ...serviceShape, ...routerShape }).readonly();
