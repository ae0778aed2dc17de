import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { SnapshotErrorCode, SnapshotOptions } from '../../lib/index.js';
import { extract } from '../support/clone.js';
import type { Fault } from '../support/faults.js';
import { listen } from '../support/listen.js';
import { MIDDLE_OF_NOISE } from '../support/noisy-repository.js';
import { noisyUpstream, REPOSITORY } from '../support/noisy-upstream.js';
import { expectNothingLeft, mirrorNames } from '../support/nothing-left.js';
import { expectProblem } from '../support/problem.js';
import { threadCount } from '../support/process-resources.js';

type LimitOptions = NonNullable<SnapshotOptions['limits']>;

/** What comes to be of every request below, whatever the upstream does, in milliseconds. */
const PATIENCE = 10_000;

const site = noisyUpstream();

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
  name: `says nothing ${headers ? 'after the head of its answer' : 'at all'} (${kind})`,
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
    code: 'UPSTREAM_INVALID',
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
  hang('hang-info-refs', false),
  hang('hang-info-refs', true),
  hang('hang-upload-pack', false),
  hang('hang-upload-pack', true),
  {
    name: 'stalls within the pack',
    fault: { kind: 'stall', after: MIDDLE_OF_NOISE },
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
    site.upstream.fault(REPOSITORY, fault);
    const app = await site.startApp({ limits: { failureMemory: PATIENCE, ...limits } });
    const url = app.snapshotUrl(REPOSITORY);
    const started = performance.now();
    await expectProblem(url, code);
    expect(performance.now() - started).toBeLessThan(PATIENCE);
    await expectNothingLeft(site.dataDir, site.upstream);
    expect(await mirrorNames(site.dataDir)).toEqual([]);

    const asked = site.upstream.requests.length;
    expect(asked).toBeGreaterThan(0);
    expect(await expectProblem(url, code)).toBeLessThanOrEqual(PATIENCE / 1000);
    expect(site.upstream.requests.length).toBe(asked);
    // The one that would have written the snapshot waits for the next one; so does the one that asked, if
    // it had its answer and had not begun to fetch.
    const hasFetched = site.upstream.uploadPacks(REPOSITORY) > 0;
    const kept = hasFetched || code === 'UPSTREAM_TIMEOUT' ? 1 : 2;
    expect(await threadCount()).toBe(threads + kept);
    await app.close();
    expect(await threadCount()).toBe(threads);
  });
});

test('an upstream that recovers is cloned by the next request', async () => {
  const app = await site.startApp({ limits: { failureMemory: 0, stallTimeout: 300 } });
  const url = app.snapshotUrl(REPOSITORY);
  const failures: [SnapshotErrorCode, Fault][] = [
    ['UPSTREAM_UNREACHABLE', { kind: 'status', status: 500 }],
    ['UPSTREAM_UNREACHABLE', { kind: 'die', after: MIDDLE_OF_NOISE }],
    ['UPSTREAM_INVALID', { kind: 'wrong-trailer' }],
    ['UPSTREAM_TIMEOUT', { kind: 'stall', after: MIDDLE_OF_NOISE }],
  ];
  for (const [code, fault] of failures) {
    site.upstream.heal(REPOSITORY);
    site.upstream.fault(REPOSITORY, fault);
    await expectProblem(url, code);
  }
  site.upstream.heal(REPOSITORY);
  await extract(url, join(await site.directory(), 'restored'));
  await app.router.close({ running: 'wait' });
  await expectNothingLeft(site.dataDir, site.upstream);
  expect(await mirrorNames(site.dataDir)).toHaveLength(1);
});

test('after Retry-After, and not before, the upstream is asked again', async () => {
  const take = site.upstream.fault(REPOSITORY, { kind: 'status', status: 500 });
  const app = await site.startApp({ limits: { failureMemory: 900 } });
  const url = app.snapshotUrl(REPOSITORY);
  const seconds = await expectProblem(url, 'UPSTREAM_UNREACHABLE');
  expect(seconds).toBe(1);
  take();
  const asked = site.upstream.requests.length;
  await expectProblem(url, 'UPSTREAM_UNREACHABLE');
  expect(site.upstream.requests.length).toBe(asked);
  await delay(seconds * 1000);
  expect((await fetch(url)).status).toBe(200);
});

test('nobody listens', async () => {
  const server = createServer();
  const upstreamUrl = await listen(server, site.defer);
  server.close();
  const app = await site.startApp({ upstreamUrl });
  await expectProblem(app.snapshotUrl(REPOSITORY), 'UPSTREAM_UNREACHABLE');
  await expectNothingLeft(site.dataDir, site.upstream);
});
