/**
 * @one-node-version
 */

import { createServer } from 'node:http';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import type { SnapshotOptions } from '../../lib/index.js';
import { holdDeadlines, passDeadlines } from '../support/deadlines.js';
import { listen } from '../support/listen.js';
import { buildNoisy, NOISE_BYTES } from '../support/noisy-repository.js';
import { expectNothingLeft, mirrorNames } from '../support/nothing-left.js';
import { ObjectList } from '../support/object-list.js';
import { ownRepository } from '../support/own-repository.js';
import { encodePacket, encodeSideBand, FLUSH } from '../support/pkt-line.js';
import { expectProblem, expectServed } from '../support/problem.js';
import { git } from '../support/run.js';
import { eventsOf, listenOnce } from '../support/service-events.js';
import { buildSmall } from '../support/small-repositories.js';

type Limits = Pick<SnapshotOptions, 'limits' | 'timeouts'>;

/** An hour, in milliseconds. The tests end the deadlines themselves. */
const DEADLINE = 3_600_000;

/** Of the paths in the repository: a, a/b.txt, a/c.txt, a/d.txt and noise.bin. */
const PATH_BYTES = 31;

/** More than fit into the buffers of a connection. */
const MANY_WORDS = 1_000_000;

const repository = ownRepository(buildNoisy);
const { defer, startApp } = repository;

beforeAll(async () => {
  const { root } = repository;
  await buildSmall(join(root, 'org/small.git'));
  const shallow = ['clone', '--quiet', '--bare', '--depth=1'];
  await git(root, ...shallow, `file://${root}/org/small.git`, 'org/shallow.git');
  await git(root, 'init', '--quiet', '--object-format=sha256', 'sha256');
  await git(join(root, 'sha256'), 'commit', '--quiet', '--allow-empty', '--message=first');
  await git(root, 'clone', '--quiet', '--bare', 'sha256', 'org/sha256.git');
});

describe('A list of refs that is cut off', () => {
  // isomorphic-git itself takes each of these for a repository with fewer refs, or with none.
  const cuts: [where: string, find: (whole: Buffer) => number][] = [
    ['before the first ref', (whole) => whole.indexOf('0000') + 4],
    ['between two refs', (whole) => whole.indexOf('refs/tags/v1') - 45],
    ['within the name of a ref', (whole) => whole.indexOf('refs/tags/v1') + 11],
    ['before its end', (whole) => whole.length - 4],
  ];
  const ways = [
    ['the connection ends', 'die', 'UPSTREAM_UNREACHABLE'],
    ['the answer ends', 'truncate', 'UPSTREAM_INVALID'],
  ] as const;

  describe.each(cuts)('%s', (_where, find) => {
    test.each(ways)('fails the request when %s there', async (_how, kind, code) => {
      const { upstream, path, url } = repository;
      const app = await repository.sharedApp();
      await app.router.service.ready();
      const mirrors = await mirrorNames(app.dataDir);
      const whole = await expectServed(`${url}/info/refs?service=git-upload-pack`);
      upstream.fault(path, { kind, after: find(whole), on: 'info-refs' });
      await expectProblem(app.snapshotUrl(path), code);
      expect(await mirrorNames(app.dataDir)).toEqual(mirrors);
    });
  });
});

test('HEAD is the commit of its branch, also if the branch moved while the upstream listed its refs', async () => {
  const { upstream, path, id } = repository;
  const objects = new ObjectList();
  const before = objects.soundCommit();
  const after = objects.commit(objects.tree(), before);
  const pack = objects.pack(after, { HEAD: before });
  upstream.fault(path, { kind: 'replace-pack', ...pack, head: 'refs/heads/main' });
  const app = await repository.sharedApp();
  await expectServed(app.snapshotUrl(path));
  expect(app.router.service.headCommit(id)).toBe(after);
});

test('An upstream whose messages do not end delays only its own clone', async () => {
  const head = '1'.repeat(40);
  const words = Buffer.concat(
    Array.from({ length: 1000 }, () => [...encodeSideBand(2, Buffer.from('x'))]).flat(),
  );
  let said = 0;
  function* talk() {
    yield encodePacket('NAK\n');
    for (;;) {
      said += 1000;
      yield words;
    }
  }
  const server = createServer((req, res) => {
    const service = req.url?.includes('/info/refs') ? 'advertisement' : 'result';
    res.writeHead(200, { 'content-type': `application/x-git-upload-pack-${service}` });
    if (service === 'advertisement') {
      const ref = encodePacket(`${head} HEAD\0side-band-64k\n`);
      res.end(Buffer.concat([encodePacket('# service=git-upload-pack\n'), FLUSH, ref, FLUSH]));
      return;
    }
    pipeline(Readable.from(talk()), res, () => {});
  });
  const upstreamUrl = await listen(server, defer);
  const passDeadline = holdDeadlines(defer, DEADLINE);
  const app = await startApp({ upstreamUrl, timeouts: { fetchTimeout: DEADLINE } });
  const startedAt = performance.now();
  let heard = 0;
  const hearSome = async () => {
    for await (const { progress } of eventsOf(app.router.service, 'jobProgress')) {
      if (progress.kind === 'request') continue;
      if (++heard > 2 && said > MANY_WORDS) break;
    }
    // Progress is reported ten times in a second at most.
    expect(performance.now() - startedAt).toBeGreaterThan((heard - 1) * 100);
    passDeadline();
  };
  await Promise.all([
    expectProblem(app.snapshotUrl(repository.path), 'UPSTREAM_TIMEOUT'),
    hearSome(),
  ]);
  await expectNothingLeft(app.dataDir, repository.upstream);
});

describe('A repository that is not supported', () => {
  test.each([
    ['with SHA-256 ids', 'org/sha256'],
    ['that is shallow', 'org/shallow'],
  ])('fails the request: %s', async (_name, path) => {
    const app = await repository.sharedApp();
    await app.router.service.ready();
    const mirrors = await mirrorNames(app.dataDir);
    await expectProblem(app.snapshotUrl(path), 'REPOSITORY_UNSUPPORTED');
    await expectNothingLeft(app.dataDir, repository.upstream);
    expect(await mirrorNames(app.dataDir)).toEqual(mirrors);
  });
});

describe('A repository over a limit', () => {
  test.each<[Limits, cloned: boolean]>([
    [{ limits: { maxPackBytes: NOISE_BYTES } }, false],
    [{ limits: { maxObjects: 10 } }, false],
    [{ limits: { maxObjectBytes: NOISE_BYTES - 1 } }, false],
    [{ limits: { maxFiles: 3 } }, true],
    [{ limits: { maxPathBytes: PATH_BYTES - 1 } }, true],
    [{ limits: { maxCheckoutBytes: NOISE_BYTES } }, true],
    [{ timeouts: { buildTimeout: DEADLINE } }, true],
  ])('fails the request, and is not cloned again at once: %j', async (limits, cloned) => {
    const { upstream, path, id } = repository;
    const app = await startApp({ freshness: { negativeCacheTtl: DEADLINE }, ...limits });
    const { service } = app.router;
    if (limits.timeouts !== undefined) {
      listenOnce(service, 'build started', () => passDeadlines(defer, DEADLINE));
    }
    const url = app.snapshotUrl(path);
    await expectProblem(url, 'LIMIT_EXCEEDED');
    const asked = upstream.requests.length;
    await expectProblem(url, 'LIMIT_EXCEEDED');
    expect(upstream.requests.length).toBe(asked);
    expect(await mirrorNames(app.dataDir)).toHaveLength(cloned ? 1 : 0);
    expect(await service.statStored(defaultSnapshot(id))).toBeUndefined();
    await app.router.close({ drain: true });
    await expectNothingLeft(app.dataDir, upstream);
  });

  test('is served if it is exactly at the limits', async () => {
    const app = await startApp({
      limits: {
        maxObjects: 11,
        maxObjectBytes: NOISE_BYTES,
        maxFiles: 5,
        maxPathBytes: PATH_BYTES,
        maxCheckoutBytes: NOISE_BYTES + 6,
      },
    });
    await expectServed(app.snapshotUrl(repository.path));
  });
});
