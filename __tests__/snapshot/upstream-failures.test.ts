import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type {
  Credentials,
  CredentialsProvider,
  SnapshotErrorCode,
  SnapshotEvents,
  SnapshotOptions,
} from '../../lib/index.js';
import { extract } from '../support/clone.js';
import type { Fault } from '../support/faults.js';
import {
  HOST,
  type HostApp,
  type HostAppOptions,
  leftovers,
  startHostApp,
} from '../support/host-app.js';
import { encodePacket, encodeSideBand, FLUSH } from '../support/pkt-line.js';
import { expectProblem } from '../support/problem.js';
import { openFiles, threadCount } from '../support/process-resources.js';
import { seededBytes } from '../support/random.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { execute, git } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream, type Upstream } from '../support/upstream.js';

const EVENTS: readonly (keyof SnapshotEvents)[] = [
  'hit',
  'miss',
  'cloneStarted',
  'cloneProgress',
  'cloneFinished',
  'cloneFailed',
  'generationStarted',
  'generationFinished',
  'generationFailed',
  'storeFailed',
  'evicted',
];

type LimitOptions = NonNullable<SnapshotOptions['limits']>;

/** What comes to be of every request below, whatever the upstream does, in milliseconds. */
const PATIENCE = 10_000;
const REPOSITORY = 'org/repo';
const NOISE_BYTES = 300_000;
/** An offset in the pack that lies within the noise. */
const MIDDLE = 150_000;

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);

let root: string;
let upstream: Upstream;
let dataDir: string;

beforeAll(async () => {
  root = await shared.directory();
  const builder = await RepositoryBuilder.create(join(root, `${REPOSITORY}.git`));
  const first = builder.commit({
    files: { 'noise.bin': seededBytes('noise', NOISE_BYTES), 'a/b.txt': 'b\n' },
  });
  builder.tag('v1', first);
  builder.commit({ files: { 'a/c.txt': 'c\n', 'a/d.txt': 'd\n' } });
  await builder.finish();
  await buildSmall(join(root, 'org/small.git'));
  const shallow = ['clone', '--quiet', '--bare', '--depth=1'];
  await git(root, ...shallow, `file://${root}/org/small.git`, 'org/shallow.git');
  await git(root, 'init', '--quiet', '--object-format=sha256', 'sha256');
  await git(join(root, 'sha256'), 'commit', '--quiet', '--allow-empty', '--message=first');
  await git(root, 'clone', '--quiet', '--bare', 'sha256', 'org/sha256.git');
  upstream = await startUpstream({ root });
  shared.defer(() => upstream.close());
});

beforeEach(async () => {
  dataDir = await directory();
  upstream.requests.length = 0;
  defer(() => upstream.heal(REPOSITORY));
});

/** An app that remembers failures for longer than any test takes. */
async function startApp(options: Partial<HostAppOptions> = {}): Promise<HostApp> {
  const app = await startHostApp({ dataDir, upstreamUrl: upstream.url, ...options });
  defer(() => app.close());
  return app;
}

/** Nothing of a failed clone or generation is left on disk, in this process or at the upstream. */
async function expectNothingLeft(): Promise<void> {
  expect(await leftovers(dataDir)).toEqual([]);
  expect(await openFiles(dataDir)).toEqual([]);
  await upstream.waitFor(({ requests }) => requests.every(({ closed }) => closed));
}

async function mirrors(): Promise<string[]> {
  return readdir(join(dataDir, 'mirrors'));
}

interface Failure {
  name: string;
  fault: Fault;
  code: SnapshotErrorCode;
  limits?: LimitOptions;
}

const both = ['info-refs', 'upload-pack'] as const;
const status = (status: 401 | 403 | 404 | 500 | 503, code: SnapshotErrorCode): Failure[] =>
  both.map((on) => ({
    name: `answers ${on} with ${status}`,
    fault: { kind: 'status', status, on },
    code,
  }));
const hang = (kind: 'hang-info-refs' | 'hang-upload-pack', headers: boolean): Failure => ({
  name: `${kind}, ${headers ? 'with' : 'without'} a head`,
  fault: { kind, headers },
  code: 'UPSTREAM_TIMEOUT',
  limits: { cloneTimeout: 1000 },
});

const FAILURES: Failure[] = [
  ...status(401, 'UPSTREAM_NOT_FOUND'),
  ...status(403, 'UPSTREAM_DENIED'),
  ...status(404, 'UPSTREAM_NOT_FOUND'),
  ...status(500, 'UPSTREAM_UNREACHABLE'),
  ...status(503, 'UPSTREAM_UNREACHABLE'),
  ...both.map(
    (on): Failure => ({
      name: `answers ${on} with a web page`,
      fault: { kind: 'not-git', on },
      code: 'UPSTREAM_INVALID',
    }),
  ),
  {
    name: 'dies before the first byte of the pack',
    fault: { kind: 'die', after: 0 },
    code: 'UPSTREAM_UNREACHABLE',
  },
  {
    name: 'dies within the pack',
    fault: { kind: 'die', after: MIDDLE },
    code: 'UPSTREAM_UNREACHABLE',
  },
  {
    name: 'ends within the pack as if it were complete',
    fault: { kind: 'truncate', after: MIDDLE },
    code: 'UPSTREAM_INVALID',
  },
  { name: 'sends a wrong trailer', fault: { kind: 'wrong-trailer' }, code: 'UPSTREAM_INVALID' },
  {
    name: 'flips a byte of an object',
    fault: { kind: 'flip', at: MIDDLE },
    code: 'UPSTREAM_INVALID',
  },
  { name: 'flips a byte of the header', fault: { kind: 'flip', at: 5 }, code: 'UPSTREAM_INVALID' },
  {
    name: 'sends bytes after the pack',
    fault: { kind: 'garbage-after' },
    code: 'UPSTREAM_INVALID',
  },
  {
    name: 'reports an error in place of the refs',
    fault: { kind: 'error-packet', message: 'SECRET upstream text', on: 'info-refs' },
    code: 'UPSTREAM_INVALID',
  },
  {
    name: 'reports an error in place of the pack',
    fault: { kind: 'error-packet', message: 'SECRET upstream text', on: 'upload-pack' },
    code: 'UPSTREAM_UNREACHABLE',
  },
  {
    name: 'reports an error within the pack',
    fault: { kind: 'error-packet', message: 'SECRET upstream text', after: MIDDLE },
    code: 'UPSTREAM_UNREACHABLE',
  },
  hang('hang-info-refs', false),
  hang('hang-info-refs', true),
  hang('hang-upload-pack', false),
  hang('hang-upload-pack', true),
  {
    name: 'stalls within the pack',
    fault: { kind: 'stall', after: MIDDLE },
    code: 'UPSTREAM_TIMEOUT',
    limits: { stallTimeout: 300 },
  },
  {
    name: 'drips the pack for longer than the deadline',
    fault: { kind: 'slow', bytesPerSecond: 1000 },
    code: 'UPSTREAM_TIMEOUT',
    limits: { cloneTimeout: 1000, stallTimeout: 500 },
  },
  {
    name: 'lists refs without end',
    fault: { kind: 'huge-refs' },
    code: 'LIMIT_EXCEEDED',
    limits: { maxRefsBytes: 1 << 20 },
  },
  {
    name: 'redirects to a host that is not allowed',
    fault: { kind: 'redirect', to: 'http://localhost:1/elsewhere.git' },
    code: 'UPSTREAM_UNREACHABLE',
  },
];

describe.each(FAILURES)('an upstream that $name', ({ fault, code, limits }) => {
  test('is a failure, remembered without asking again, that leaves nothing behind', async () => {
    const threads = await threadCount();
    upstream.fault(REPOSITORY, fault);
    const app = await startApp({ limits: { failureMemory: PATIENCE, ...limits } });
    const url = app.snapshotUrl(REPOSITORY);
    const started = performance.now();
    await expectProblem(url, code);
    expect(performance.now() - started).toBeLessThan(PATIENCE);
    await expectNothingLeft();
    expect(await mirrors()).toEqual([]);

    const asked = upstream.requests.length;
    expect(asked).toBeGreaterThan(0);
    expect(await expectProblem(url, code)).toBeLessThanOrEqual(PATIENCE / 1000);
    expect(upstream.requests.length).toBe(asked);
    expect(await threadCount()).toBe(threads);
  });
});

test('an upstream that recovers is cloned by the next request', async () => {
  const app = await startApp({ limits: { failureMemory: 0, stallTimeout: 300 } });
  const url = app.snapshotUrl(REPOSITORY);
  const failures: [SnapshotErrorCode, Fault][] = [
    ['UPSTREAM_UNREACHABLE', { kind: 'status', status: 500 }],
    ['UPSTREAM_UNREACHABLE', { kind: 'die', after: MIDDLE }],
    ['UPSTREAM_INVALID', { kind: 'wrong-trailer' }],
    ['UPSTREAM_TIMEOUT', { kind: 'stall', after: MIDDLE }],
  ];
  for (const [code, fault] of failures) {
    upstream.heal(REPOSITORY);
    upstream.fault(REPOSITORY, fault);
    await expectProblem(url, code);
  }
  upstream.heal(REPOSITORY);
  await extract(url, join(await directory(), 'restored'));
  await app.router.close({ running: 'wait' });
  await expectNothingLeft();
  expect(await mirrors()).toHaveLength(1);
});

test('after Retry-After, and not before, the upstream is asked again', async () => {
  const take = upstream.fault(REPOSITORY, { kind: 'status', status: 500 });
  const app = await startApp({ limits: { failureMemory: 900 } });
  const url = app.snapshotUrl(REPOSITORY);
  const seconds = await expectProblem(url, 'UPSTREAM_UNREACHABLE');
  expect(seconds).toBe(1);
  take();
  const asked = upstream.requests.length;
  await expectProblem(url, 'UPSTREAM_UNREACHABLE');
  expect(upstream.requests.length).toBe(asked);
  await delay(seconds * 1000);
  expect((await fetch(url)).status).toBe(200);
});

/** Serves the advertisement of refs only up to an offset, and all else as the upstream does. */
async function cutAdvertisement(whole: Buffer, at: number, how: 'dies' | 'ends'): Promise<string> {
  const server = createServer(async (req, res) => {
    if (!req.url?.includes('/info/refs')) {
      const { method = '', headers } = req;
      const onward = request(`${upstream.url}${req.url}`, { method, headers }, (answer) => {
        res.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(res);
      });
      req.pipe(onward);
      return;
    }
    res.writeHead(200, {
      'content-type': 'application/x-git-upload-pack-advertisement',
      'content-length': how === 'dies' ? whole.length : at,
    });
    res.write(whole.subarray(0, at), () => (how === 'dies' ? res.destroy() : res.end()));
  });
  return `http://127.0.0.1:${await listen(server)}`;
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  defer(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

describe('a list of refs that is cut', () => {
  // isomorphic-git itself takes each of these for a repository with fewer refs, or with none.
  const cuts: [where: string, find: (whole: Buffer) => number][] = [
    ['before the first ref', (whole) => whole.indexOf('0000') + 4],
    ['between two refs', (whole) => whole.indexOf('refs/tags/v1') - 45],
    ['within the name of a ref', (whole) => whole.indexOf('refs/tags/v1') + 11],
    ['before its end', (whole) => whole.length - 4],
  ];

  test.each(cuts)('%s is a failure', async (_where, find) => {
    const url = `${upstream.url}/${REPOSITORY}/info/refs?service=git-upload-pack`;
    const whole = Buffer.from(await (await fetch(url)).arrayBuffer());
    const outcomes = [
      ['dies', 'UPSTREAM_UNREACHABLE'],
      ['ends', 'UPSTREAM_INVALID'],
    ] as const;
    for (const [how, code] of outcomes) {
      const cut = await cutAdvertisement(whole, find(whole), how);
      const app = await startApp({ upstreamUrl: cut });
      await expectProblem(app.snapshotUrl(REPOSITORY), code);
      expect(await mirrors()).toEqual([]);
    }
  });
});

test('silence before the pack is no stall: servers think for minutes', async () => {
  const gate = upstream.gate(REPOSITORY, 0);
  const app = await startApp({ limits: { stallTimeout: 100 } });
  const answer = fetch(app.snapshotUrl(REPOSITORY));
  await gate.reached;
  await delay(400);
  gate.release();
  expect((await answer).status).toBe(200);
});

test('an upstream that talks on and on keeps its clone busy, and nobody else', async () => {
  const head = '1'.repeat(40);
  const words = Buffer.concat(
    Array.from({ length: 1000 }, () => [...encodeSideBand(2, Buffer.from('x'))]).flat(),
  );
  const server = createServer(async (req, res) => {
    const service = req.url?.includes('/info/refs') ? 'advertisement' : 'result';
    res.writeHead(200, { 'content-type': `application/x-git-upload-pack-${service}` });
    if (service === 'advertisement') {
      const ref = encodePacket(`${head} HEAD\0side-band-64k\n`);
      res.end(Buffer.concat([encodePacket('# service=git-upload-pack\n'), FLUSH, ref, FLUSH]));
      return;
    }
    res.write(encodePacket('NAK\n'));
    while (!res.destroyed)
      if (!res.write(words)) await Promise.race([once(res, 'drain'), once(res, 'close')]);
  });
  const upstreamUrl = `http://127.0.0.1:${await listen(server)}`;
  const app = await startApp({ upstreamUrl, limits: { cloneTimeout: 1000 } });
  let messages = 0;
  app.router.service.events.on('cloneProgress', () => messages++);
  await expectProblem(app.snapshotUrl(REPOSITORY), 'UPSTREAM_TIMEOUT');
  expect(messages).toBeGreaterThan(0);
  expect(messages).toBeLessThanOrEqual(11);
  await expectNothingLeft();
});

test('nobody listens', async () => {
  const server = createServer();
  const port = await listen(server);
  server.close();
  const app = await startApp({ upstreamUrl: `http://127.0.0.1:${port}` });
  await expectProblem(app.snapshotUrl(REPOSITORY), 'UPSTREAM_UNREACHABLE');
  await expectNothingLeft();
});

describe('a repository that is not supported', () => {
  test.each([
    ['with SHA-256 ids', 'org/sha256'],
    ['that is shallow', 'org/shallow'],
  ])('%s', async (_name, path) => {
    const app = await startApp();
    await expectProblem(app.snapshotUrl(path), 'REPOSITORY_UNSUPPORTED');
    await expectNothingLeft();
    expect(await mirrors()).toEqual([]);
  });
});

describe('a repository over a limit', () => {
  test.each<[LimitOptions, cloned: boolean]>([
    [{ maxPackBytes: NOISE_BYTES }, false],
    [{ maxObjects: 10 }, false],
    [{ maxObjectBytes: NOISE_BYTES - 1 }, false],
    [{ maxFiles: 3 }, true],
    [{ maxCheckoutBytes: NOISE_BYTES }, true],
    [{ generationTimeout: 1 }, true],
  ])('%j', async (limits, cloned) => {
    const app = await startApp({ limits });
    const url = app.snapshotUrl(REPOSITORY);
    await expectProblem(url, 'LIMIT_EXCEEDED');
    const asked = upstream.requests.length;
    await expectProblem(url, 'LIMIT_EXCEEDED');
    expect(upstream.requests.length).toBe(asked);
    expect(await mirrors()).toHaveLength(cloned ? 1 : 0);
    expect(await app.router.service.stat({ host: HOST, path: REPOSITORY })).toBeUndefined();
    await app.router.close({ running: 'wait' });
    await expectNothingLeft();
  });

  test('that it just keeps is served', async () => {
    const app = await startApp({
      limits: {
        maxObjects: 11,
        maxObjectBytes: NOISE_BYTES,
        maxFiles: 5,
        maxCheckoutBytes: NOISE_BYTES + 6,
      },
    });
    expect((await fetch(app.snapshotUrl(REPOSITORY))).status).toBe(200);
  });
});

describe('an upstream that wants credentials', () => {
  const right = { username: 'robot', password: 'hunter2 §ecret' };
  const secrets = [right.password, Buffer.from(`robot:${right.password}`).toString('base64')];

  test.each<[string, SnapshotErrorCode, Credentials | undefined]>([
    ['has no such repository for the anonymous', 'UPSTREAM_NOT_FOUND', undefined],
    ['denies wrong ones', 'UPSTREAM_DENIED', { ...right, username: 'rob' }],
  ])('%s', async (_name, code, credentials) => {
    upstream.fault(REPOSITORY, { kind: 'require-basic-auth', ...right });
    const { app, told } = await startTalkative(() => credentials);
    await expectProblem(app.snapshotUrl(REPOSITORY), code);
    await app.close();
    expectNone(told(), secrets);
    await expectNothingLeft();
  });

  test('gets them in a header, and nobody else gets them anywhere', async () => {
    upstream.fault(REPOSITORY, { kind: 'require-basic-auth', ...right });
    const { app, told } = await startTalkative(async ({ host, path }) => {
      expect({ host, path }).toEqual({ host: HOST, path: REPOSITORY });
      return right;
    });
    const restored = join(await directory(), 'restored');
    await extract(app.snapshotUrl(REPOSITORY), restored);
    await app.router.service.delete({ host: HOST, path: REPOSITORY });
    upstream.fault(REPOSITORY, { kind: 'error-packet', message: 'oops', on: 'info-refs' });
    await app.close();
    expect(upstream.requests.map(({ authorization }) => authorization)).toEqual([true, true]);
    expect(told()).toMatch(/cloneFinished/);
    expectNone(told(), secrets);
    for (const secret of secrets) {
      const { stdout } = await execute('grep', ['-rlF', '-e', secret, dataDir, restored]);
      expect(stdout).toBe('');
    }
  });

  test.each([
    ['throws', () => Promise.reject(new Error(`no ${right.password}`))],
    ['hangs', () => new Promise<never>(() => {})],
  ])('a provider that %s fails the request', async (name, credentials) => {
    const limits = { cloneTimeout: 300 };
    const { app } = await startTalkative(credentials, { limits });
    const url = app.snapshotUrl(REPOSITORY);
    if (name === 'hangs') await expectProblem(url, 'UPSTREAM_TIMEOUT');
    else await expectProblem(url, 'INTERNAL', 500);
    await expectNothingLeft();
    expect(upstream.requests).toEqual([]);
  });

  /** An app, and everything that it told its host by events and logs. */
  async function startTalkative(
    credentials: CredentialsProvider,
    options: Partial<SnapshotOptions> = {},
  ) {
    const records: unknown[] = [];
    const log = (level: string) => (fields: object, message: string) => {
      records.push([level, fields, message]);
    };
    const app = await startApp({
      hosts: { [HOST]: { baseUrl: upstream.url, allowPrivateAddresses: true, credentials } },
      logger: { warn: log('warn'), error: log('error') },
      ...options,
    });
    for (const name of EVENTS) {
      app.router.service.events.on(name, (event: object) => records.push([name, event]));
    }
    const told = () => inspect(records, { depth: Infinity, showHidden: true });
    return { app, told };
  }

  function expectNone(text: string, secrets: string[]): void {
    for (const secret of secrets) expect(text).not.toContain(secret);
  }
});
