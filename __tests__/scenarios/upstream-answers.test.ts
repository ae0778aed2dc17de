import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { SnapshotOptions } from '../../lib/index.js';
import { HOST } from '../support/host-app.js';
import { listen } from '../support/listen.js';
import { NOISE_BYTES } from '../support/noisy-repository.js';
import { noisyUpstream, REPOSITORY } from '../support/noisy-upstream.js';
import { expectNothingLeft, mirrorNames } from '../support/nothing-left.js';
import { ObjectList } from '../support/object-list.js';
import { encodePacket, encodeSideBand, FLUSH } from '../support/pkt-line.js';
import { expectProblem } from '../support/problem.js';
import { git } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';

type LimitOptions = NonNullable<SnapshotOptions['limits']>;

const site = noisyUpstream(async (root) => {
  await buildSmall(join(root, 'org/small.git'));
  const shallow = ['clone', '--quiet', '--bare', '--depth=1'];
  await git(root, ...shallow, `file://${root}/org/small.git`, 'org/shallow.git');
  await git(root, 'init', '--quiet', '--object-format=sha256', 'sha256');
  await git(join(root, 'sha256'), 'commit', '--quiet', '--allow-empty', '--message=first');
  await git(root, 'clone', '--quiet', '--bare', 'sha256', 'org/sha256.git');
});

/** Serves the advertisement of refs only up to an offset, and all else as the upstream does. */
async function cutAdvertisement(whole: Buffer, at: number, how: 'dies' | 'ends'): Promise<string> {
  const server = createServer(async (req, res) => {
    if (!req.url?.includes('/info/refs')) {
      const { method = '', headers } = req;
      const onward = request(`${site.upstream.url}${req.url}`, { method, headers }, (answer) => {
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
  return listen(server, site.defer);
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
    const url = `${site.upstream.url}/${REPOSITORY}/info/refs?service=git-upload-pack`;
    const whole = Buffer.from(await (await fetch(url)).arrayBuffer());
    const outcomes = [
      ['dies', 'UPSTREAM_UNREACHABLE'],
      ['ends', 'UPSTREAM_INVALID'],
    ] as const;
    for (const [how, code] of outcomes) {
      const cut = await cutAdvertisement(whole, find(whole), how);
      const app = await site.startApp({ upstreamUrl: cut });
      await expectProblem(app.snapshotUrl(REPOSITORY), code);
      expect(await mirrorNames(site.dataDir)).toEqual([]);
    }
  });
});

test('HEAD is where its branch is, which may have moved while the upstream listed its refs', async () => {
  const objects = new ObjectList();
  const before = objects.soundCommit();
  const after = objects.commit(objects.tree(), before);
  const pack = objects.pack(after, { HEAD: before });
  site.upstream.fault(REPOSITORY, { kind: 'replace-pack', ...pack, head: 'refs/heads/main' });
  const app = await site.startApp();
  expect((await fetch(app.snapshotUrl(REPOSITORY))).status).toBe(200);
  expect(app.router.service.headOf({ host: HOST, path: REPOSITORY })).toBe(after);
});

test('silence before the pack is no stall: servers think for minutes', async () => {
  const gate = site.upstream.gate(REPOSITORY, 0);
  const app = await site.startApp({ limits: { stallTimeout: 100 } });
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
  const upstreamUrl = await listen(server, site.defer);
  const app = await site.startApp({ upstreamUrl, limits: { cloneTimeout: 1000 } });
  let messages = 0;
  app.router.service.events.on('cloneProgress', () => messages++);
  await expectProblem(app.snapshotUrl(REPOSITORY), 'UPSTREAM_TIMEOUT');
  expect(messages).toBeGreaterThan(0);
  expect(messages).toBeLessThanOrEqual(11);
  await expectNothingLeft(site.dataDir, site.upstream);
});

describe('a repository that is not supported', () => {
  test.each([
    ['with SHA-256 ids', 'org/sha256'],
    ['that is shallow', 'org/shallow'],
  ])('%s', async (_name, path) => {
    const app = await site.startApp();
    await expectProblem(app.snapshotUrl(path), 'REPOSITORY_UNSUPPORTED');
    await expectNothingLeft(site.dataDir, site.upstream);
    expect(await mirrorNames(site.dataDir)).toEqual([]);
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
    const app = await site.startApp({ limits });
    const url = app.snapshotUrl(REPOSITORY);
    await expectProblem(url, 'LIMIT_EXCEEDED');
    const asked = site.upstream.requests.length;
    await expectProblem(url, 'LIMIT_EXCEEDED');
    expect(site.upstream.requests.length).toBe(asked);
    expect(await mirrorNames(site.dataDir)).toHaveLength(cloned ? 1 : 0);
    expect(await app.router.service.stat({ host: HOST, path: REPOSITORY })).toBeUndefined();
    await app.router.close({ running: 'wait' });
    await expectNothingLeft(site.dataDir, site.upstream);
  });

  test('that it just keeps is served', async () => {
    const app = await site.startApp({
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
