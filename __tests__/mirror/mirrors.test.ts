/** @one-node-version */

import { cp, readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { temporaryName } from '../../lib/fs/temporary.js';
import { MemoryLocks, type SnapshotOptions, type SnapshotService } from '../../lib/index.js';
import { type FreshRepository, freshRepository, read } from '../support/fresh-repository.js';
import { HOST, leftovers } from '../support/host-app.js';
import { listen } from '../support/listen.js';
import { cleanup } from '../support/temporary-directory.js';
import type { Upstream } from '../support/upstream.js';

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
const PATH = 'org/repo';
const SIMILAR = ['a/b-c', 'a-b/c', 'A/b-c', 'a/b/c'];

let fresh: FreshRepository;
let upstream: Upstream;
let dataDir: string;

beforeAll(async () => {
  fresh = await freshRepository(shared);
  for (const path of SIMILAR) await fresh.add(path);
  ({ upstream } = fresh);
});

beforeEach(async () => {
  dataDir = await directory();
  upstream.requests.length = 0;
  defer(() => upstream.heal(PATH));
});

function start(options: Partial<SnapshotOptions> = {}): SnapshotService {
  const service = fresh.start({ dataDir, ...options });
  // Before the directory is removed.
  defer(() => service.close());
  return service;
}

/** Makes a new snapshot of what the mirror holds. */
async function build(service: SnapshotService, path = PATH): Promise<Buffer> {
  const id = defaultSnapshot({ host: HOST, path });
  await service.delete(id);
  return (await read(service, id)).bytes;
}

async function mirrors(): Promise<string[]> {
  return readdir(join(dataDir, 'mirrors'));
}

async function onlyMirror(): Promise<string> {
  const [mirror, ...others] = await mirrors();
  expect(others).toEqual([]);
  return join(dataDir, 'mirrors', mirror ?? '');
}

test('A start removes the clones of a dead process, and no mirror', async () => {
  const first = start();
  await build(first);
  await first.close({ drain: true });
  const mirror = await onlyMirror();
  const dead = temporaryName('clone').replace(`~${process.pid}~`, '~999999999~');
  await cp(mirror, join(dataDir, 'mirrors', dead), { recursive: true });
  await start().ready();
  expect(await onlyMirror()).toBe(mirror);
});

test('Two processes that clone at once end up with one mirror', async () => {
  // With locks of their own: otherwise only one of them clones.
  const [a, b] = [start({ locks: new MemoryLocks() }), start({ locks: new MemoryLocks() })];
  const gate = upstream.gate(PATH);
  const answers = Promise.all([build(a), build(b)]);
  await upstream.waitFor(() => upstream.uploadPacks(PATH) === 2);
  gate.release();
  const [one, two] = await answers;
  expect(one.equals(two)).toBe(true);
  await Promise.all([a.close({ drain: true }), b.close({ drain: true })]);
  await onlyMirror();
  expect(await leftovers(dataDir)).toEqual([]);
});

test('Repositories of similar names have mirrors of their own', async () => {
  const service = start();
  await Promise.all(SIMILAR.map((path) => build(service, path)));
  expect(await mirrors()).toHaveLength(SIMILAR.length);
});

test('The longest path that is allowed has a mirror', async () => {
  const seen: string[] = [];
  const long = Array.from({ length: 4 }, (_, i) => String(i).repeat(250)).join('/');
  const url = await listen(
    createServer((req, res) => {
      seen.push(req.url ?? '');
      res
        .writeHead(302, { location: `${upstream.url}/${PATH}${req.url?.slice(long.length + 1)}` })
        .end();
    }),
    defer,
  );
  const host = { baseUrl: url, redirectTo: [upstream.url], allowPrivateAddresses: true };
  const hosts = { [HOST]: host };
  const service = start({ hosts });
  expect((await build(service, long)).length).toBeGreaterThan(0);
  expect(seen[0]).toContain(long);
  await onlyMirror();
});

describe('A failed clone', () => {
  test('of one repository does not affect the others', async () => {
    upstream.fault(PATH, { kind: 'status', status: 403 });
    const service = start();
    await expect(build(service)).rejects.toMatchObject({ code: 'UPSTREAM_DENIED' });
    expect((await build(service, 'a/b-c')).length).toBeGreaterThan(0);
  });

  test('is remembered for the time of Retry-After, if that is longer', async () => {
    let asked = 0;
    const url = await listen(
      createServer((_req, res) => {
        asked++;
        res.writeHead(503, { 'retry-after': '90' }).end();
      }),
      defer,
    );
    const hosts = { [HOST]: { baseUrl: url, allowPrivateAddresses: true } };
    const service = start({ hosts, freshness: { negativeCacheTtl: 1000 } });
    for (const call of [1, 2]) {
      const failure = await build(service).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
      expect(failure).toMatchObject({ retryAfter: call === 1 ? 90 : expect.any(Number) });
    }
    expect(asked).toBe(1);
  });

  test('that is not remembered is tried again at once', async () => {
    upstream.fault(PATH, { kind: 'status', status: 500 });
    const service = start({ freshness: { negativeCacheTtl: 0 } });
    for (let call = 1; call <= 2; call++) {
      await expect(build(service)).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
      expect(upstream.infoRefs(PATH)).toBe(call);
    }
  });
});
