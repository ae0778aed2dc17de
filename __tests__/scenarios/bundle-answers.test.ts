/**
 * @one-node-version
 */
import { parseBundle } from '../support/bundle.js';
import { bundleClient, FOREVER } from '../support/bundle-client.js';
import { fakeDate } from '../support/fake-date.js';
import { ownRepository } from '../support/own-repository.js';
import { seededBytes } from '../support/random.js';
import { git } from '../support/run.js';
import { buildEmpty, buildSmall, push } from '../support/small-repositories.js';

/*
 * What is answered in place of a bundle, and how often the upstream is asked before.
 */

const UNKNOWN = 'f'.repeat(40);

const repository = ownRepository();
const { start, commitOf, snapshotUrl, bundleUrl, ask, bundle, refused, mirrored, noticed } =
  bundleClient(repository);
const infoRefs = () => repository.upstream.infoRefs(repository.path);
const uploadPacks = () => repository.upstream.uploadPacks(repository.path);

describe('204', () => {
  beforeEach(async () => {
    await buildSmall(repository.bare);
  });

  test('each time the upstream was asked for just that', async () => {
    await mirrored();
    const base = await commitOf('HEAD');
    for (const asked of [2, 3]) {
      const { status, body, headers } = await bundle(base);
      expect([status, body.length, headers.get('cache-control')]).toEqual([204, 0, 'no-store']);
      expect(infoRefs()).toBe(asked);
    }
    expect(uploadPacks()).toBe(1);
  });

  test('is no answer when the upstream has moved in the meantime', async () => {
    await mirrored();
    const base = await commitOf('HEAD');
    const tip = await push(repository.bare);
    const { status, body } = await bundle(base);
    expect([status, parseBundle(body).header.at(-1)]).toEqual([200, `${tip} refs/heads/main`]);
  });

  test('with the mirror that is cloned for it', async () => {
    expect((await bundle(await commitOf('HEAD'))).status).toBe(204);
    expect([infoRefs(), uploadPacks()]).toEqual([1, 1]);
  });

  test('for a base that the mirror got to know by this request', async () => {
    await mirrored();
    expect((await bundle(await push(repository.bare))).status).toBe(204);
    expect(infoRefs()).toBe(2);
  });

  test('not by a question that was on its way before', async () => {
    await mirrored();
    const base = await commitOf('HEAD');
    const first = bundle(base);
    await repository.upstream.waitFor(() => infoRefs() === 2);
    const replies = await Promise.all([first, bundle(base)]);
    expect(replies.map(({ status }) => status)).toEqual([204, 204]);
    expect(infoRefs()).toBe(3);
  });
});

test('a service that has only just begun clones for it', async () => {
  await buildSmall(repository.bare);
  await start({});
  expect((await bundle(await commitOf('HEAD'))).status).toBe(204);
});

describe('404', () => {
  beforeEach(() => buildSmall(repository.bare));

  const unheard: [number, string] = [404, 'BASE_NOT_FOUND'];

  test('when the base seems to be HEAD and the upstream does not answer', async () => {
    await mirrored();
    const base = await commitOf('HEAD');
    const heal = repository.upstream.fault(repository.path, { kind: 'status', status: 503 });
    expect(await refused(base)).toEqual(unheard);
    heal();
    expect((await bundle(base)).status).toBe(204);
  });

  test('when the base is not known and the upstream does not answer', async () => {
    await mirrored();
    repository.upstream.fault(repository.path, { kind: 'status', status: 503 });
    expect(await refused(UNKNOWN)).toEqual(unheard);
  });

  test('when the base is not known even after a fetch, of which there are few', async () => {
    await start({ freshness: { maxAge: FOREVER, checkInterval: FOREVER } });
    await mirrored();
    fakeDate(repository.defer, FOREVER);
    expect(await refused(UNKNOWN)).toEqual(unheard);
    expect(infoRefs()).toBe(2);
    expect(await refused(UNKNOWN.replace('f', 'e'))).toEqual(unheard);
    expect(await refused(await push(repository.bare))).toEqual(unheard);
    expect(infoRefs()).toBe(2);
  });

  test('not when the base is known and the upstream is down', async () => {
    const base = await commitOf('main~1');
    await mirrored();
    repository.upstream.fault(repository.path, { kind: 'status', status: 503 });
    expect((await bundle(base)).status).toBe(200);
  });

  test('when the base is a tag, a tree or a blob', async () => {
    await mirrored();
    for (const name of ['v1.0.0', 'HEAD^{tree}', 'HEAD:README.md']) {
      expect(await refused(await commitOf(name))).toEqual(unheard);
    }
  });

  test('when HEAD went back to where the base comes from', async () => {
    const base = await commitOf('main');
    await git(repository.bare, 'branch', 'before', 'main');
    await mirrored();
    await git(repository.bare, 'update-ref', 'refs/heads/main', 'main~1');
    await noticed();
    expect(await refused(base)).toEqual(unheard);
    expect((await ask(bundleUrl(base), { method: 'HEAD' })).status).toBe(404);
  });
});

test('an empty repository has no base, and no header names one', async () => {
  await buildEmpty(repository.bare);
  expect(await refused(UNKNOWN)).toEqual([404, 'BASE_NOT_FOUND']);
  expect((await ask(snapshotUrl())).headers.get('x-cachew-bundle-url')).toBeNull();
  const commit = await push(repository.bare, { branch: 'trunk' });
  expect((await bundle(commit)).status).toBe(204);
});

test.each([
  [{ kind: 'status', status: 503 } as const, 'UPSTREAM_UNREACHABLE'],
  [{ kind: 'status', status: 404 } as const, 'UPSTREAM_NOT_FOUND'],
])('503 when nothing is cloned and it can not be: %j', async (fault, code) => {
  await buildSmall(repository.bare);
  repository.upstream.fault(repository.path, fault);
  const { status, headers, body } = await bundle(await commitOf('HEAD'));
  expect([status, JSON.parse(body.toString()).code]).toEqual([503, code]);
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
});

test('503 when the check brings more than is allowed: the upstream could be asked', async () => {
  await buildSmall(repository.bare);
  await start({ limits: { maxPackBytes: 20_000 } });
  await mirrored();
  const base = await commitOf('HEAD');
  await push(repository.bare, { files: { 'large.bin': seededBytes('large', 100_000) } });
  expect(await refused(base)).toEqual([503, 'LIMIT_EXCEEDED']);
});

test.each(['', 'main', 'F'.repeat(40), 'f'.repeat(39), 'f'.repeat(64)])(
  '400 for the base %p, and nobody is asked',
  async (base) => {
    expect(await refused(base)).toEqual([400, 'INVALID_REQUEST']);
    expect(infoRefs()).toBe(0);
  },
);
