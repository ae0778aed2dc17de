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
 * Answers in place of a bundle, and how often the upstream is checked before them.
 */

const UNKNOWN = 'f'.repeat(40);

const repository = ownRepository();
const { start, commitOf, snapshotUrl, bundleUrl, ask, bundle, refused, mirrored, noticed } =
  bundleClient(repository);
const infoRefs = () => repository.upstream.infoRefs(repository.path);
const uploadPacks = () => repository.upstream.uploadPacks(repository.path);

describe('A request for a bundle is answered with 204', () => {
  beforeEach(async () => {
    await buildSmall(repository.bare);
  });

  test('each time after a check of its own', async () => {
    await mirrored();
    const base = await commitOf('HEAD');
    for (const asked of [2, 3]) {
      const { status, body, headers } = await bundle(base);
      expect([status, body.length, headers.get('cache-control')]).toEqual([204, 0, 'no-store']);
      expect(infoRefs()).toBe(asked);
    }
    expect(uploadPacks()).toBe(1);
  });

  test('but with 200 when the upstream has moved since', async () => {
    await mirrored();
    const base = await commitOf('HEAD');
    const tip = await push(repository.bare);
    const { status, body } = await bundle(base);
    expect([status, parseBundle(body).header.at(-1)]).toEqual([200, `${tip} refs/heads/main`]);
  });

  test('after a clone that the request caused', async () => {
    expect((await bundle(await commitOf('HEAD'))).status).toBe(204);
    expect([infoRefs(), uploadPacks()]).toEqual([1, 1]);
  });

  test('for a base that this request brought into the mirror', async () => {
    await mirrored();
    expect((await bundle(await push(repository.bare))).status).toBe(204);
    expect(infoRefs()).toBe(2);
  });

  test('but not because of a check that began before the request', async () => {
    await mirrored();
    const base = await commitOf('HEAD');
    const first = bundle(base);
    await repository.upstream.waitFor(() => infoRefs() === 2);
    const replies = await Promise.all([first, bundle(base)]);
    expect(replies.map(({ status }) => status)).toEqual([204, 204]);
    expect(infoRefs()).toBe(3);
  });
});

test('A service that has just started clones for a bundle', async () => {
  await buildSmall(repository.bare);
  await start({});
  expect((await bundle(await commitOf('HEAD'))).status).toBe(204);
});

describe('A request for a bundle is answered with 404', () => {
  beforeEach(() => buildSmall(repository.bare));

  const unheard: [number, string] = [404, 'BASE_NOT_FOUND'];

  test('when the base seems to be at HEAD and the upstream fails', async () => {
    await mirrored();
    const base = await commitOf('HEAD');
    const heal = repository.upstream.fault(repository.path, { kind: 'status', status: 503 });
    expect(await refused(base)).toEqual(unheard);
    heal();
    expect((await bundle(base)).status).toBe(204);
  });

  test('when the base is unknown and the upstream fails', async () => {
    await mirrored();
    repository.upstream.fault(repository.path, { kind: 'status', status: 503 });
    expect(await refused(UNKNOWN)).toEqual(unheard);
  });

  test('when the base is unknown after a fetch, which is made once per checkInterval', async () => {
    await start({ freshness: { maxAge: FOREVER, checkInterval: FOREVER } });
    await mirrored();
    fakeDate(repository.defer, FOREVER);
    expect(await refused(UNKNOWN)).toEqual(unheard);
    expect(infoRefs()).toBe(2);
    expect(await refused(UNKNOWN.replace('f', 'e'))).toEqual(unheard);
    expect(await refused(await push(repository.bare))).toEqual(unheard);
    expect(infoRefs()).toBe(2);
  });

  test('but not when the base is known and the upstream is down', async () => {
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

  test('when HEAD was moved back to an ancestor of the base', async () => {
    const base = await commitOf('main');
    await git(repository.bare, 'branch', 'before', 'main');
    await mirrored();
    await git(repository.bare, 'update-ref', 'refs/heads/main', 'main~1');
    await noticed();
    expect(await refused(base)).toEqual(unheard);
    expect((await ask(bundleUrl(base), { method: 'HEAD' })).status).toBe(404);
  });
});

test('An empty repository has no bundle, and no header names one', async () => {
  await buildEmpty(repository.bare);
  expect(await refused(UNKNOWN)).toEqual([404, 'BASE_NOT_FOUND']);
  expect((await ask(snapshotUrl())).headers.get('x-cachew-bundle-url')).toBeNull();
  const commit = await push(repository.bare, { branch: 'trunk' });
  expect((await bundle(commit)).status).toBe(204);
});

test.each([
  [{ kind: 'status', status: 503 } as const, 'UPSTREAM_UNREACHABLE', true],
  [{ kind: 'status', status: 404 } as const, 'UPSTREAM_NOT_FOUND', false],
])(
  'A bundle is answered with 503 when nothing is cloned and cloning fails: %j',
  async (fault, code, mayRetry) => {
    await buildSmall(repository.bare);
    repository.upstream.fault(repository.path, fault);
    const { status, headers, body } = await bundle(await commitOf('HEAD'));
    expect([status, JSON.parse(body.toString()).code]).toEqual([503, code]);
    expect(Number(headers.get('retry-after')) > 0).toBe(mayRetry);
  },
);

test('A bundle is answered with 503 when the fetch for it exceeds a limit', async () => {
  await buildSmall(repository.bare);
  await start({ limits: { maxPackBytes: 20_000 } });
  await mirrored();
  const base = await commitOf('HEAD');
  await push(repository.bare, { files: { 'large.bin': seededBytes('large', 100_000) } });
  expect(await refused(base)).toEqual([503, 'LIMIT_EXCEEDED']);
});

test.each(['', 'main', 'F'.repeat(40), 'f'.repeat(39), 'f'.repeat(64)])(
  'A bundle since %p is answered with 400, and the upstream is not checked',
  async (base) => {
    expect(await refused(base)).toEqual([400, 'INVALID_REQUEST']);
    expect(infoRefs()).toBe(0);
  },
);
