/**
 * @one-node-version
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cleanup } from '../support/temporary-directory.js';
import { compile, makeConsumer } from './consumer-project.js';
import { pack } from './packed-package.js';

const MODULE = `
import express from 'express';
import { Redis } from 'ioredis';
import {
  type Authorize,
  type BasicCredentials,
  createSnapshotRouter,
  createSnapshotService,
  createWebhookHandler,
  type CredentialsProvider,
  type Denial,
  MemoryStore,
  parseRepository,
  SnapshotError,
  type SnapshotErrorCode,
  type SnapshotOptions,
} from 'express-git-snapshot';
import { Agent } from 'node:https';
import { Readable } from 'node:stream';
import {
  DownloadError,
  type ExtractResult,
  extractSnapshot,
  type RestoreResult,
  restoreSnapshot,
} from 'express-git-snapshot/client';
import { AzureStore } from 'express-git-snapshot/azure';
import { GcsStore } from 'express-git-snapshot/gcs';
import { S3Store } from 'express-git-snapshot/s3';
import type { SnapshotStore } from 'express-git-snapshot/store';
import { RedisLocks } from 'express-git-snapshot/redis';
import { storeContract } from 'express-git-snapshot/testing';

const store: SnapshotStore = new MemoryStore({ maxBytes: 1 << 30 });
const options: SnapshotOptions = {
  dataDir: './data',
  hosts: {
    'github.com': {
      credentials: async ({ path }) => ({ username: 'x-access-token', password: path }),
    },
    'git.corp': { baseUrl: 'http://10.0.0.5/', allowPrivateAddresses: true },
  },
  authorize: (req, repository) => req.get('authorization') === repository.host,
  timeouts: { fetchTimeout: 1000 },
  snapshot: { compressionLevel: 3 },
  logger: console,
  store,
  locks: new RedisLocks({ client: new Redis({ lazyConnect: true }), leaseTime: 10_000 }),
};
const login: Denial = { status: 401, challenge: ['Basic realm="snapshots"', 'Bearer'] };
export const authorize: Authorize = async (req, _repository, { artifact, ref, depth, signal }) => {
  if (artifact === 'git' || signal.aborted) return true;
  return ref === undefined && depth === undefined ? req.accepts('json') === false : login;
};
export const credentials: CredentialsProvider = (_repository, { previousDenied }) => {
  const given: BasicCredentials = { username: 'robot', password: 'secret' };
  return previousDenied ? undefined : given;
};
const short: SnapshotOptions = { dataDir: './data', hosts: ['github.com'] };
const s3 = new S3Store({ bucket: 'snapshots', config: { region: 'eu-central-1' } });
export const shared: SnapshotOptions = { ...short, store: s3 };
const gcs = new GcsStore({ bucket: 'snapshots', config: { projectId: 'project' } });
const azure = new AzureStore({ container: 'snapshots', connectionString: 'a secret' });
export const others: SnapshotStore[] = [gcs, azure];
export const url: Promise<string | undefined> = s3.presign('key', { expiresIn: 60 });

const snapshots = createSnapshotRouter(options);
express().use('/git', snapshots);
const guarded = createSnapshotRouter({ service: snapshots.service, authorize: () => true });
express().use('/guarded', guarded);
// @ts-expect-error a router over a service has no directory
createSnapshotRouter({ service: snapshots.service, dataDir: './data' });
// @ts-expect-error this is no service
createSnapshotRouter({ service: { get: async () => undefined } });
const service = { notifyPush: (url: string) => url.startsWith('https://github.com/') };
express().post('/webhook', createWebhookHandler({ secret: ['old', 'new'], service }));
snapshots.service.events.on('hit', ({ repository, etag, size }) => {
  const parts: [string, string, number] = [repository.path, etag, size];
  return parts;
});
snapshots.service.events.once('jobEnded', (job) => {
  if (job.error !== undefined) return job.error.code satisfies SnapshotErrorCode;
  if (job.kind === 'clone') return job.packBytes satisfies number;
  return job.kind === 'store' ? (job.artifact.kind satisfies 'snapshot' | 'bundle') : undefined;
});

export async function main(): Promise<RestoreResult> {
  await using service = createSnapshotService(short);
  const snapshot = await service.get({
    kind: 'snapshot',
    repository: parseRepository('github.com/org/repo'),
  });
  const size: number | undefined = snapshot.source === 'store' ? snapshot.size : undefined;
  await snapshots.close({ drain: true });
  if (size === 0) throw new SnapshotError('INTERNAL', 'empty');
  return restoreSnapshot({ url: new URL('http://localhost/'), directory: '.' });
}

export async function client(): Promise<ExtractResult> {
  const agent = new Agent({ ca: 'PEM' });
  const url = 'https://localhost/';
  await restoreSnapshot({ url, directory: '.', agent }).catch((error: unknown) => {
    const status: number | undefined = DownloadError.is(error) ? error.status : undefined;
    return status;
  });
  await restoreSnapshot({ url, directory: '.', agent: ({ protocol }) => (protocol ? agent : undefined) });
  return extractSnapshot(Readable.from([]), '.', { onProgress: ({ files }) => files });
}

storeContract({ test: (name, run) => [name, run], factory: () => ({ store }) });

// @ts-expect-error dataDir is missing
export const incomplete: SnapshotOptions = { hosts: ['github.com'] };
// @ts-expect-error no such option
export const unknown: SnapshotOptions = { ...short, directory: './data' };
// @ts-expect-error no such option of a store
export const wrongStore = new S3Store({ bucket: 'snapshots', region: 'eu-central-1' });
// @ts-expect-error no such option of a store
export const wrongGcs = new GcsStore({ bucket: 'snapshots', container: 'snapshots' });
// @ts-expect-error no container
export const wrongAzure = new AzureStore({ connectionString: 'a secret' });
// @ts-expect-error no such limit
export const unknownLimit: SnapshotOptions = { ...short, limits: { maxFile: 1 } };
// @ts-expect-error not a number
export const wrongType: SnapshotOptions = { ...short, timeouts: { fetchTimeout: '30m' } };
// @ts-expect-error no credentials
export const wrongReturn: SnapshotOptions = { ...short, hosts: { h: { credentials: () => 'token' } } };
// @ts-expect-error a 401 without a challenge
export const silent: Denial = { status: 401 };
// @ts-expect-error no such artifact
export const other: Authorize = (_req, _repository, { artifact }) => artifact === 'tarball';
// @ts-expect-error no such event
listen(snapshots.service, 'hits', () => {});
// @ts-expect-error no such code
export const error = new SnapshotError('NO_SUCH_CODE', 'message');
// @ts-expect-error no such property of a result
export const bytesOf = async () => (await main()).bytes;
// @ts-expect-error an extraction does not know the whole size
extractSnapshot(Readable.from([]), '.', { onProgress: ({ totalBytes }) => totalBytes });
// @ts-expect-error a built snapshot has no size yet
export const sizeOf = async () => (await snapshots.service.get({ kind: 'snapshot', repository: parseRepository('h/p') })).size;
`;

const COMMON_JS = `
import library = require('express-git-snapshot');

export const service: library.SnapshotService = library.createSnapshotService({
  dataDir: './data',
  hosts: ['github.com'],
});
`;

const { directory } = cleanup(afterAll);

test('The types of the package accept right code of users, and refuse wrong code', async () => {
  const project = await directory();
  const packages = ['@types/express', '@types/node', 'ioredis', 'redis-semaphore'];
  const links = [
    ...packages,
    '@aws-sdk/client-s3',
    '@azure/storage-blob',
    '@google-cloud/storage',
  ].map((name) => [name, name]);
  await makeConsumer(await pack(await directory()), project, Object.fromEntries(links));
  await writeFile(join(project, 'module.mts'), MODULE);
  await writeFile(join(project, 'common.cts'), COMMON_JS);
  const { errors } = await compile(project, 'newest', 'nodenext', ['module.mts', 'common.cts']);
  expect(errors).toEqual([]);
});
