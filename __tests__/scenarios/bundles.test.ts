/**
 * @one-node-version
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MemoryStore } from '../../lib/index.js';
import { objectsOfPack, parseBundle } from '../support/bundle.js';
import { bundleClient, USUAL } from '../support/bundle-client.js';
import { cloneWithGit } from '../support/clone.js';
import { counter } from '../support/fresh-repository.js';
import type { HostApp } from '../support/host-app.js';
import { ownRepository } from '../support/own-repository.js';
import { readPack } from '../support/read-pack.js';
import { git } from '../support/run.js';
import { buildDetached, buildSmall, push } from '../support/small-repositories.js';

/*
 * The content of bundles, and how long they are stored.
 */

const HOUR = 60 * 60_000;

const repository = ownRepository();
const { directory } = repository;
const client = bundleClient(repository);
const { commitOf, bundleUrl, ask, bundle, mirrored, noticed } = client;

afterEach(() => {
  jest.restoreAllMocks();
});

describe('A bundle', () => {
  /** @returns the pack, after git has found the bundle to be right. */
  async function checked(base: string, ref: string): Promise<Buffer> {
    const before = join(await directory(), 'before');
    await cloneWithGit(`${repository.url}.git`, before);
    const { status, headers, body } = await bundle(base);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/x-git-bundle');
    const tip = await commitOf('HEAD');
    const { header, pack } = parseBundle(body);
    expect(header).toEqual(['# v2 git bundle', `-${base} `, `${tip} ${ref}`]);
    const file = join(await directory(), 'a.bundle');
    await writeFile(file, body);
    await git(before, 'bundle', 'verify', file);
    expect(await git(before, 'bundle', 'list-heads', file)).toBe(`${tip} ${ref}`);
    const lines = await git(
      repository.bare,
      'rev-list',
      '--objects',
      '--no-object-names',
      `${base}..HEAD`,
    );
    const objects = await objectsOfPack(pack, join(await directory(), 'alone'));
    expect(objects).toEqual(lines.split('\n').sort());
    return pack;
  }

  test('of new commits holds their objects, with deltas to each other only', async () => {
    const lines = (n: number) => Array.from({ length: 500 }, (_, i) => `line ${i * n} of a file\n`);
    await buildSmall(repository.bare);
    await push(repository.bare, { files: { 'a.txt': lines(1).join('') } });
    const base = await commitOf('HEAD');
    await mirrored();
    for (const n of [1, 2, 3]) {
      await push(repository.bare, {
        files: { 'a.txt': `${n}\n${lines(1).join('')}`, 'b.txt': lines(7).slice(n).join('') },
      });
    }
    await git(repository.bare, 'repack', '-adfq');
    await noticed();
    const entries = readPack(await checked(base, 'refs/heads/main'));
    const deltas = entries.filter(({ typeNumber }) => typeNumber > 4);
    expect(deltas.length).toBeGreaterThan(0);
    expect(deltas.every(({ typeNumber }) => typeNumber === 6)).toBe(true);
  });

  test('of a merge also holds the commits of the merged branch', async () => {
    await buildSmall(repository.bare);
    const base = await commitOf('HEAD');
    const other = await push(repository.bare, {
      branch: 'other',
      parents: [`${base}~1`],
      files: { o: 'o\n' },
    });
    await mirrored();
    await push(repository.bare, { parents: [base, other], files: { o: 'o\n' } });
    await noticed();
    await checked(base, 'refs/heads/main');
    await checked(other, 'refs/heads/main');
  });

  test('of another default branch holds that branch by its name', async () => {
    await buildSmall(repository.bare);
    const base = await commitOf('HEAD');
    await mirrored();
    await push(repository.bare, { branch: 'next/trunk', parents: [base] });
    await git(repository.bare, 'symbolic-ref', 'HEAD', 'refs/heads/next/trunk');
    await noticed();
    await checked(base, 'refs/heads/next/trunk');
  });

  test('since a commit that is not in the history of HEAD holds all other commits of HEAD', async () => {
    await buildSmall(repository.bare);
    await push(repository.bare, {
      branch: 'other',
      parents: ['refs/heads/main~1'],
      files: { o: 'o\n' },
    });
    await mirrored();
    await checked(await commitOf('other'), 'refs/heads/main');
  });

  test('can start from a commit that was fetched by its id', async () => {
    await buildSmall(repository.bare);
    await git(repository.bare, 'config', 'uploadpack.allowAnySHA1InWant', 'true');
    const commit = await push(repository.bare, { branch: 'other', parents: ['main~1'] });
    await git(repository.bare, 'update-ref', 'refs/pull/1/head', commit);
    await git(repository.bare, 'branch', '-D', 'other');
    await mirrored();
    expect((await ask(`${client.snapshotUrl()}?ref=${commit}`)).status).toBe(200);
    const { header } = parseBundle((await bundle(commit)).body);
    expect(header).toEqual(['# v2 git bundle', `-${commit} `, expect.stringMatching(/main$/)]);
  });

  test('of a detached HEAD holds the ref HEAD, which git pulls', async () => {
    await buildDetached(repository.bare);
    const first = await commitOf('HEAD');
    await mirrored();
    expect((await bundle(first)).status).toBe(204);
    // Not at the tip of a branch: git's own clone takes such a HEAD for the branch.
    const second = await commitOf('main');
    await push(repository.bare);
    await git(repository.bare, 'update-ref', '--no-deref', 'HEAD', second);
    const checkout = join(await directory(), 'checkout');
    await cloneWithGit(`${repository.url}.git`, checkout);
    await git(checkout, 'checkout', '--quiet', '--detach', first);
    await noticed();
    await checked(first, 'HEAD');
    const file = join(await directory(), 'a.bundle');
    await writeFile(file, (await bundle(first)).body);
    await git(checkout, 'pull', '--quiet', '--ff-only', file, 'HEAD');
    expect(await git(checkout, 'rev-parse', 'HEAD')).toBe(await commitOf('HEAD'));
  });
});

describe('A stored bundle', () => {
  let app: HostApp;
  let base: string;

  beforeAll(async () => {
    const store = new MemoryStore({ maxBytes: 1e8 });
    app = await repository.startSharedApp({ ...USUAL, store });
  });

  beforeEach(async () => {
    await buildSmall(repository.bare);
    base = await commitOf('main~1');
    client.use(app);
    await mirrored();
  });

  test('is described by the method HEAD, which builds nothing', async () => {
    const head = () => ask(bundleUrl(base), { method: 'HEAD' });
    expect((await head()).status).toBe(404);
    const made = await bundle(base);
    const { status, headers, body } = await head();
    expect([status, body.length]).toEqual([200, 0]);
    expect(headers.get('etag')).toBe(made.headers.get('etag'));
    expect(Number(headers.get('content-length'))).toBe(made.body.length);
    expect(repository.upstream.infoRefs(repository.path)).toBe(1);
  });

  test('is served for two hours, with all conditions of requests, and then built again', async () => {
    const builds = counter(app.router.service, 'build started', repository.id);
    const now = Date.now();
    const clock = jest.spyOn(Date, 'now').mockReturnValue(now);
    const made = await bundle(base);
    const etag = made.headers.get('etag') ?? '';
    const match = { 'if-match': etag };
    expect((await bundle(base, match)).status).toBe(200); // it is in the store by now
    clock.mockReturnValue(now + 2 * HOUR - 1);
    const before = await bundle(base, match);
    expect([before.status, before.body.equals(made.body)]).toEqual([200, true]);
    expect(builds()).toBe(1);

    clock.mockReturnValue(now + 2 * HOUR);
    expect((await ask(bundleUrl(base), { method: 'HEAD' })).status).toBe(404);
    expect((await bundle(base, match)).status).toBe(412);
    expect(builds()).toBe(1);
    const again = await bundle(base);
    expect([again.status, again.headers.get('etag')]).toEqual([200, etag]);
    expect(again.body).toEqual(made.body);
    expect(builds()).toBe(2);
    expect((await bundle(base, match)).status).toBe(200);
    expect(builds()).toBe(2);
  });

  test('is built again when HEAD moves, but still served to clients that read it in parts', async () => {
    const made = await bundle(base);
    const tip = await push(repository.bare);
    await noticed();
    const match = { 'if-match': made.headers.get('etag') ?? '' };
    const goingOn = await bundle(base, match);
    expect([goingOn.status, goingOn.body.equals(made.body)]).toEqual([200, true]);
    const again = await bundle(base);
    expect(parseBundle(again.body).header).toContain(`${tip} refs/heads/main`);
    expect(again.headers.get('etag')).not.toBe(made.headers.get('etag'));
  });

  test('is built once for all concurrent requests', async () => {
    const builds = counter(app.router.service, 'build started', repository.id);
    const replies = await Promise.all(Array.from({ length: 20 }, () => bundle(base)));
    expect(
      new Set(replies.map(({ status, body }) => `${status} ${body.toString('hex')}`)).size,
    ).toBe(1);
    expect(replies[0]?.status).toBe(200);
    expect(builds()).toBe(1);
  });
});
