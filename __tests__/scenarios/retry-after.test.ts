/**
 * @one-node-version
 */
import { defaultSnapshot } from '../../lib/artifact/id.js';
import type { SnapshotOptions } from '../../lib/index.js';
import { fakeDate } from '../support/fake-date.js';
import {
  counter,
  type FreshRepository,
  freshRepository,
  next,
  read,
} from '../support/fresh-repository.js';
import { HOST } from '../support/host-app.js';
import { cleanup } from '../support/temporary-directory.js';

/*
 * A host that answers with `Retry-After` gets no request for mirrored repositories before that time.
 */

const { directory, defer } = cleanup(afterEach);
const AT_ONCE = { maxAge: 0, checkInterval: 0 } as const;
const STRICT = { ...AT_ONCE, staleWhileRevalidate: 0 } as const;
const SECONDS = 1800;
const OTHER = { host: HOST, path: 'org/other' };
const ELSEWHERE = { host: 'other.test', path: 'org/elsewhere' };

let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  for (const { path } of [OTHER, ELSEWHERE]) await repository.add(path);
});

/** A service that has snapshots of all three repositories, and an upstream that is busy at one of them. */
async function start(freshness: SnapshotOptions['freshness'], status: 429 | 503) {
  const host = { baseUrl: repository.upstream.url, allowPrivateAddresses: true };
  const hosts = { [HOST]: host, [ELSEWHERE.host]: host };
  const service = repository.start({ hosts, freshness });
  for (const id of [repository.id, OTHER, ELSEWHERE]) await read(service, defaultSnapshot(id));
  repository.upstream.fault(repository.path, { kind: 'status', status, retryAfter: SECONDS });
  return service;
}

const asked = () =>
  repository.upstream.requests.filter((request) => request.repository !== ELSEWHERE.path).length;

test.each([429, 503] as const)(
  'After an answer %i, no repository of the host is checked before Retry-After',
  async (status) => {
    const service = await start(AT_ONCE, status);
    const failed = next(service, 'fetch failed', repository.id);
    await read(service, repository.snapshot);
    expect((await failed).error).toMatchObject({ retryAfter: SECONDS });
    const before = asked();
    const code = status === 429 ? 'UPSTREAM_RATE_LIMITED' : 'UPSTREAM_UNREACHABLE';
    const refused = { code, retryAfter: expect.any(Number) };
    const wanted = { refs: new Map([['refs/heads/new', '']]), commits: [] };
    for (const id of [repository.id, OTHER]) {
      expect((await read(service, defaultSnapshot(id))).source).toBe('store');
      await expect(service.refresh(id)).rejects.toMatchObject(refused);
      await expect(service.ensureRefs(id, wanted)).rejects.toMatchObject(refused);
    }
    const elsewhere = next(service, 'fetch done', ELSEWHERE);
    await read(service, defaultSnapshot(ELSEWHERE));
    await elsewhere;
    expect(asked()).toBe(before);

    repository.upstream.heal(repository.path);
    fakeDate(defer, SECONDS * 1000);
    const refreshed = next(service, 'fetch done', OTHER);
    await read(service, defaultSnapshot(OTHER));
    await refreshed;
  },
);

test('With staleWhileRevalidate 0, stored snapshots are served without a check before Retry-After', async () => {
  const service = await start(STRICT, 503);
  const failures = counter(service, 'fetch failed');
  await read(service, repository.snapshot);
  const before = asked();
  for (const id of [repository.id, OTHER])
    expect((await read(service, defaultSnapshot(id))).source).toBe('store');
  await service.close({ drain: true });
  expect([asked(), failures()]).toEqual([before, 1]);
});

test('A client that may get nothing older is told why its host is paused, and for how long', async () => {
  const service = await start({ ...STRICT, staleIfError: 0 }, 429);
  const limited = { code: 'UPSTREAM_RATE_LIMITED', retryAfter: expect.any(Number) };
  for (const id of [repository.id, OTHER]) {
    const failing = read(service, defaultSnapshot(id));
    await expect(failing).rejects.toMatchObject({ ...limited, repository: id });
  }
});

test('A repository that is not mirrored is cloned before Retry-After', async () => {
  const service = await start(STRICT, 503);
  await read(service, repository.snapshot);
  const path = 'org/cold';
  await repository.add(path);
  expect((await read(service, defaultSnapshot({ host: HOST, path }))).source).toBe('build');
});
