/**
 * @one-node-version
 */

import { join } from 'node:path';
import { restoreSnapshot } from '../../lib/client/index.js';
import type { SnapshotErrorCode } from '../../lib/index.js';
import { holdDeadlines } from '../support/deadlines.js';
import { fakeDate } from '../support/fake-date.js';
import type { Fault } from '../support/faults.js';
import { fsck } from '../support/fsck.js';
import { HOST, type HostApp } from '../support/host-app.js';
import { buildNoisy, MIDDLE_OF_NOISE } from '../support/noisy-repository.js';
import { expectNothingLeft, mirrorNames } from '../support/nothing-left.js';
import { ownRepository } from '../support/own-repository.js';
import { expectProblem, expectServed } from '../support/problem.js';
import { threadCount } from '../support/process-resources.js';
import { seededBytes } from '../support/random.js';
import { eventsOf } from '../support/service-events.js';
import { push } from '../support/small-repositories.js';
import type { UpstreamRequest } from '../support/upstream-request.js';

const HOUR = 3_600_000;
/** The deadline of each clone and refresh, in milliseconds. The tests end it themselves. */
const DEADLINE = 2 * HOUR;
const LIMITS = {
  freshness: { negativeCacheTtl: HOUR },
  timeouts: { fetchTimeout: DEADLINE },
  limits: { maxRefsBytes: 1 << 20 },
};
/** A repository whose upstream works. */
const HEALTHY = { host: HOST, path: 'org/healthy' };

const repository = ownRepository(buildNoisy);
const { defer, startApp } = repository;

/** Serves the repositories of most tests, and `HEALTHY`. */
let app: HostApp;
/** The number of threads without an app. */
let threads: number;

beforeAll(async () => {
  threads = await threadCount();
  await buildNoisy(join(repository.root, `${HEALTHY.path}.git`));
  app = await repository.sharedApp(LIMITS);
  await expectServed(app.snapshotUrl(HEALTHY.path));
});

interface Failure {
  name: string;
  fault: Fault;
  code: SnapshotErrorCode;
  /** Whether a request has reached the point where only the deadline ends it. */
  hangs?: (request: UpstreamRequest) => boolean;
}

const both = ['info-refs', 'upload-pack'] as const;
const status = (status: 401 | 403 | 404 | 500 | 503, code: SnapshotErrorCode): Failure[] =>
  both.map((on) => ({
    name: `answers ${on} with ${status}`,
    fault: { kind: 'status', status, on },
    code,
  }));
const hang = (on: (typeof both)[number], headers: boolean): Failure => ({
  name: `hangs at ${on} ${headers ? 'after the head of its answer' : 'without a word'}`,
  fault: { kind: `hang-${on}`, headers },
  code: 'UPSTREAM_TIMEOUT',
  hangs: ({ service }) => service === on,
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
    fault: { kind: 'die', after: MIDDLE_OF_NOISE },
    code: 'UPSTREAM_UNREACHABLE',
  },
  {
    name: 'ends within the pack as if it were complete',
    fault: { kind: 'truncate', after: MIDDLE_OF_NOISE },
    code: 'UPSTREAM_INVALID',
  },
  { name: 'sends a wrong trailer', fault: { kind: 'wrong-trailer' }, code: 'UPSTREAM_INVALID' },
  {
    name: 'flips a byte of an object',
    fault: { kind: 'flip', at: MIDDLE_OF_NOISE },
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
    code: 'UPSTREAM_UNREACHABLE',
  },
  {
    name: 'reports an error in place of the pack',
    fault: { kind: 'error-packet', message: 'SECRET upstream text', on: 'upload-pack' },
    code: 'UPSTREAM_UNREACHABLE',
  },
  {
    name: 'reports an error within the pack',
    fault: { kind: 'error-packet', message: 'SECRET upstream text', after: MIDDLE_OF_NOISE },
    code: 'UPSTREAM_UNREACHABLE',
  },
  hang('info-refs', false),
  hang('info-refs', true),
  hang('upload-pack', false),
  hang('upload-pack', true),
  {
    name: 'drips the pack for longer than the deadline',
    fault: { kind: 'slow', bytesPerSecond: 1000 },
    code: 'UPSTREAM_TIMEOUT',
    hangs: (request) => request.service === 'upload-pack' && request.bytesOut > 1000,
  },
  {
    name: 'lists refs without end',
    fault: { kind: 'huge-refs' },
    code: 'LIMIT_EXCEEDED',
  },
  {
    name: 'redirects to a host that is not allowed',
    fault: { kind: 'redirect', to: 'http://localhost:1/elsewhere.git' },
    code: 'UPSTREAM_INVALID',
  },
];

/** The failure is remembered: the next request gets it without a check, and nothing is left on disk. */
async function expectRemembered({ snapshotUrl, dataDir }: HostApp, code: SnapshotErrorCode) {
  const { upstream, path } = repository;
  await expectNothingLeft(dataDir, upstream);
  const asked = upstream.requests.length;
  expect(upstream.infoRefs(path)).toBeGreaterThan(0);
  expect(await expectProblem(snapshotUrl(path), code)).toBeLessThanOrEqual(HOUR / 1000);
  expect(upstream.requests.length).toBe(asked);
}

test.each(FAILURES)(
  'An upstream that $name fails the request, gets no other request at once, and leaves nothing behind',
  async ({ fault, code, hangs }) => {
    const { upstream, path } = repository;
    const passDeadline = holdDeadlines(defer, DEADLINE);
    upstream.fault(path, fault);
    const mirrors = await mirrorNames(app.dataDir);
    const endHanging = async () => {
      if (hangs === undefined) return;
      await upstream.waitFor(({ requests }) =>
        requests.some((request) => request.repository === path && hangs(request)),
      );
      // No other request is kept waiting. When this one is done, the sent bytes have most likely arrived.
      await app.router.service.refresh(HEALTHY);
      passDeadline();
    };
    await Promise.all([expectProblem(app.snapshotUrl(path), code), endHanging()]);
    await expectRemembered(app, code);
    expect(await mirrorNames(app.dataDir)).toEqual(mirrors);

    // The one that writes snapshots waits for the next one. So does one that asked: here, if it had its answer
    // and had not begun to fetch; or for `HEALTHY`.
    const hasAskedOnly = upstream.uploadPacks(path) === 0 || hangs !== undefined;
    expect(await threadCount()).toBe(threads + (hasAskedOnly ? 2 : 1));
  },
);

test('An upstream that stalls within the pack fails the request, and leaves nothing behind', async () => {
  const { upstream, path } = repository;
  const before = await threadCount();
  // The upstream is silent for ever, so that only this limit can end the request.
  upstream.fault(path, { kind: 'stall', after: MIDDLE_OF_NOISE });
  const own = await startApp({ ...LIMITS, timeouts: { ...LIMITS.timeouts, idleTimeout: 300 } });
  await expectProblem(own.snapshotUrl(path), 'UPSTREAM_TIMEOUT');
  await expectRemembered(own, 'UPSTREAM_TIMEOUT');
  expect(await mirrorNames(own.dataDir)).toEqual([]);
  expect(await threadCount()).toBe(before + 1);
  await own.close();
  expect(await threadCount()).toBe(before);
});

test('A clone that makes progress may take longer than the limit, and a clone that makes none may not', async () => {
  const { upstream, path, id, bare } = repository;
  const noise = (name: string) => ({ [name]: seededBytes(name, 3 << 20) });
  await push(bare, { files: noise('first.bin') });
  const passFirst = holdDeadlines(defer, DEADLINE, 1);
  const own = await startApp({
    freshness: { negativeCacheTtl: 0 },
    timeouts: { fetchTimeout: DEADLINE },
  });
  const hasBegun = async () => {
    for await (const { progress } of eventsOf(own.router.service, 'jobProgress')) {
      if (progress.kind === 'pack') return;
    }
  };
  const gate = upstream.gate(path, 2 << 20);
  const served = expectServed(own.snapshotUrl(path));
  await hasBegun();
  // That of the clone's beginning.
  passFirst();
  gate.release();
  await served;

  await push(bare, { files: noise('second.bin') });
  await own.router.service.purge(id);
  const passAll = holdDeadlines(defer, DEADLINE);
  const other = upstream.gate(path, 2 << 20);
  const failed = expectProblem(own.snapshotUrl(path), 'UPSTREAM_TIMEOUT');
  await hasBegun();
  passAll();
  await failed;
  other.release();
});

test('An upstream that recovers is cloned by the next request', async () => {
  const { upstream, path } = repository;
  const passDeadline = holdDeadlines(defer, DEADLINE);
  const own = await startApp({
    freshness: { negativeCacheTtl: 0 },
    timeouts: { fetchTimeout: DEADLINE },
  });
  const url = own.snapshotUrl(path);
  const failures: [SnapshotErrorCode, Fault][] = [
    ['UPSTREAM_UNREACHABLE', { kind: 'status', status: 500 }],
    ['UPSTREAM_UNREACHABLE', { kind: 'die', after: MIDDLE_OF_NOISE }],
    ['UPSTREAM_INVALID', { kind: 'wrong-trailer' }],
  ];
  for (const [code, fault] of failures) {
    const takeBack = upstream.fault(path, fault);
    await expectProblem(url, code);
    takeBack();
  }
  const gate = upstream.gate(path, MIDDLE_OF_NOISE);
  await Promise.all([expectProblem(url, 'UPSTREAM_TIMEOUT'), gate.reached.then(passDeadline)]);
  upstream.heal(path);
  const restored = join(await repository.directory(), 'restored');
  await restoreSnapshot({ url, directory: restored });
  expect(await fsck(restored)).toEqual([]);
  await own.router.close({ drain: true });
  await expectNothingLeft(own.dataDir, upstream);
  expect(await mirrorNames(own.dataDir)).toHaveLength(1);
});

test('An upstream gets the next request after Retry-After, and not before', async () => {
  const { upstream, path } = repository;
  const takeBack = upstream.fault(path, { kind: 'status', status: 500 });
  const own = await startApp({ freshness: { negativeCacheTtl: HOUR - 900 } });
  const url = own.snapshotUrl(path);
  const seconds = await expectProblem(url, 'UPSTREAM_UNREACHABLE');
  expect(seconds * 1000).toBe(HOUR);
  takeBack();
  const asked = upstream.requests.length;
  await expectProblem(url, 'UPSTREAM_UNREACHABLE');
  expect(upstream.requests.length).toBe(asked);
  fakeDate(defer, seconds * 1000);
  await expectServed(url);
});

test('A request fails if no server listens at the upstream’s address', async () => {
  // No program gets a port below 1024 by chance.
  const own = await startApp({ upstreamUrl: 'http://127.0.0.1:1' });
  await expectProblem(own.snapshotUrl(repository.path), 'UPSTREAM_UNREACHABLE');
  await expectNothingLeft(own.dataDir, repository.upstream);
});

test('An app that closes ends all of its threads', async () => {
  await app.close();
  expect(await threadCount()).toBe(threads);
});
