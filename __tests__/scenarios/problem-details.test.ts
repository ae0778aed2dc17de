/**
 * @one-node-version
 */
import { SnapshotError, type SnapshotErrorCode, type SnapshotOptions } from '../../lib/index.js';
import { fakeDate } from '../support/fake-date.js';
import type { Fault } from '../support/faults.js';
import { type FreshRepository, freshRepository } from '../support/fresh-repository.js';
import { seededBytes } from '../support/random.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { cleanup } from '../support/temporary-directory.js';

/*
 * A repository can't be served. The problem document tells people whether and when a retry helps, and
 * what else to do.
 */

const MIB = 1 << 20;
const { directory, defer } = cleanup(afterEach);

const shared = cleanup(afterAll);
const LARGE = 'org/large';

let repository: FreshRepository;

beforeAll(async () => {
  repository = await freshRepository(shared);
  await repository.add(LARGE, buildLarge);
});

/** An app that has nothing stored, and whose upstream works again after the test. */
async function start(options?: Partial<SnapshotOptions>) {
  const app = await repository.startApp({ ...options, dataDir: await directory() });
  defer(() => app.close());
  for (const path of [repository.path, LARGE]) defer(() => repository.upstream.heal(path));
  return app;
}

async function problemAt(url: string) {
  const response = await fetch(url);
  const { code, detail } = JSON.parse(await response.text());
  const retryAfter = response.headers.get('retry-after');
  return { status: response.status, code, detail, retryAfter };
}

/** Its clone reports progress, about once per MiB. */
async function buildLarge(bare: string): Promise<void> {
  const builder = await RepositoryBuilder.create(bare);
  builder.commit({ files: { 'noise.bin': seededBytes('noise', 3 * MIB) } });
  await builder.finish();
}

const downloads = () =>
  repository.upstream.requests.filter(({ service }) => service === 'upload-pack').length;

const LOCKED = {
  acquire: async () => {
    throw new SnapshotError('LOCK_UNAVAILABLE', 'redis://secret is down');
  },
};

test.each<[string, Fault | undefined, Partial<SnapshotOptions>, SnapshotErrorCode, RegExp]>([
  [
    'is not found upstream',
    { kind: 'status', status: 404 },
    {},
    'UPSTREAM_NOT_FOUND',
    /^Check the path.* The server does not try again within \d+ s\.$/,
  ],
  [
    'has a damaged pack',
    { kind: 'wrong-trailer' },
    {},
    'UPSTREAM_INVALID',
    /^Check the address of the upstream with git clone, and the repository with git fsck\. The server does not try again/,
  ],
  [
    'is over the limit of a pack',
    undefined,
    { limits: { maxPackBytes: 100 } },
    'LIMIT_EXCEEDED',
    /^The limit is the option maxPackBytes\. Clone .* The server does not try again within \d+ s\.$/,
  ],
  [
    'is over the limit of objects',
    undefined,
    { limits: { maxObjects: 1 } },
    'LIMIT_EXCEEDED',
    /^The limit is the option maxObjects\. /,
  ],
  [
    'is over the limit of files, which a build finds',
    undefined,
    { limits: { maxFiles: 1 } },
    'LIMIT_EXCEEDED',
    /^The limit is the option maxFiles\. /,
  ],
])(
  'For a repository that %s, nothing promises that a retry helps',
  async (_, fault, options, code, detail) => {
    const app = await start(options);
    if (fault !== undefined) repository.upstream.fault(repository.path, fault);
    const url = app.snapshotUrl(repository.path);
    const before = downloads();
    for (let attempt = 0; attempt < 2; attempt++) {
      const problem = await problemAt(url);
      expect(problem).toEqual({
        status: 503,
        code,
        detail: expect.stringMatching(detail),
        retryAfter: null,
      });
    }
    // The second request did not download it again.
    expect(downloads() - before).toBeLessThanOrEqual(1);
  },
);

test.each<[string, Fault | undefined, Partial<SnapshotOptions>, SnapshotErrorCode, number]>([
  ['is down', { kind: 'status', status: 500 }, {}, 'UPSTREAM_UNREACHABLE', 30],
  [
    'limits requests',
    { kind: 'status', status: 429, retryAfter: 1800 },
    {},
    'UPSTREAM_RATE_LIMITED',
    1800,
  ],
  [
    'can be asked only under a lock that fails',
    undefined,
    { locks: LOCKED },
    'LOCK_UNAVAILABLE',
    30,
  ],
])(
  'For an upstream that %s, the problem says when to try again',
  async (_, fault, options, code, seconds) => {
    const app = await start(options);
    if (fault !== undefined) repository.upstream.fault(repository.path, fault);
    expect(await problemAt(app.snapshotUrl(repository.path))).toEqual({
      status: 503,
      code,
      detail: `Try again after ${seconds} s.`,
      retryAfter: String(seconds),
    });
  },
);

test('A failure that lasts is remembered twice as long each time, up to an hour', async () => {
  const minutes = 60_000;
  const app = await start({
    limits: { maxPackBytes: 100 },
    freshness: { negativeCacheTtl: 20 * minutes },
  });
  const url = app.snapshotUrl(repository.path);
  const before = downloads();
  let passed = 0;
  for (const seconds of [1200, 2400, 3600, 3600]) {
    const { detail } = await problemAt(url);
    expect(detail).toMatch(new RegExp(`The server does not try again within ${seconds} s\\.$`));
    passed += seconds * 1000 + 1;
    fakeDate(defer, passed);
  }
  expect(downloads() - before).toBe(4);
});

test('A page in the place of a repository does not keep it away for longer each time', async () => {
  const app = await start({ freshness: { negativeCacheTtl: 60_000 } });
  const url = app.snapshotUrl(repository.path);
  const endFault = repository.upstream.fault(repository.path, { kind: 'not-git' });
  for (let passed = 1; passed < 4; passed++) {
    const { code, detail } = await problemAt(url);
    expect(code).toBe('UPSTREAM_INVALID');
    expect(detail).toMatch(/ within 60 s\.$/);
    fakeDate(defer, passed * 60_001);
  }
  endFault();
  expect((await fetch(url)).status).toBe(200);
});

test('A client that can’t wait for a running clone is told how far it is', async () => {
  const app = await start({ concurrency: { maxPendingVariants: 1 } });
  const url = app.snapshotUrl(LARGE);
  const gate = repository.upstream.gate(LARGE, 2 * MIB);
  const progress = new Promise<void>((resolve) => {
    app.router.service.events.on('jobProgress', (event) => {
      if (event.progress.kind === 'pack') resolve();
    });
  });
  const running = fetch(`${url}?depth=1`);
  running.catch(() => {}); // if the test fails before
  await gate.reached;
  await progress;
  const { status, code, detail, retryAfter } = await problemAt(`${url}?depth=2`);
  expect([status, code, retryAfter]).toEqual([429, 'TOO_MANY_VARIANTS', '10']);
  expect(detail).toMatch(
    /^The clone has received \d+\.\d MB( and \d+ of \d+ objects)? so far\. Try again after 10 s, or request the default snapshot\.$/,
  );
  gate.release();
  expect((await running).status).toBe(200);
  await (await running).arrayBuffer();
});

test('A client whose clone failed is told how far it was', async () => {
  const app = await start();
  repository.upstream.fault(LARGE, { kind: 'die', after: 2 * MIB });
  const { code, detail } = await problemAt(app.snapshotUrl(LARGE));
  expect(code).toBe('UPSTREAM_UNREACHABLE');
  expect(detail).toMatch(
    /^The clone had received \d+\.\d MB( and \d+ of \d+ objects)? when it failed\. Try again after 30 s\.$/,
  );
});
