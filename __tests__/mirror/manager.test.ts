import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  createSnapshotService,
  type SnapshotOptions,
  type SnapshotService,
} from '../../lib/index.js';
import { temporaryName } from '../../lib/stores/temporary.js';
import { leftovers } from '../support/host-app.js';
import { listen } from '../support/listen.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream, type Upstream } from '../support/upstream.js';

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
const HOST = 'git.test';
const PATH = 'org/repo';

let upstream: Upstream;
let dataDir: string;

beforeAll(async () => {
  const root = await shared.directory();
  for (const path of [PATH, 'a/b-c', 'a-b/c', 'A/b-c', 'a/b/c'])
    await buildSmall(join(root, `${path}.git`));
  upstream = await startUpstream({ root });
  shared.defer(() => upstream.close());
});

beforeEach(async () => {
  dataDir = await directory();
  upstream.requests.length = 0;
  defer(() => upstream.heal(PATH));
});

function start(options: Partial<SnapshotOptions> = {}, baseUrl = upstream.url): SnapshotService {
  const service = createSnapshotService({
    dataDir,
    hosts: { [HOST]: { baseUrl, allowPrivateAddresses: true } },
    ...options,
  });
  defer(() => service.close());
  return service;
}

/** Makes a new snapshot of what the mirror holds. */
async function generate(service: SnapshotService, path = PATH): Promise<Buffer> {
  await service.delete({ host: HOST, path });
  const { body } = await service.get({ host: HOST, path });
  return buffer(body);
}

async function mirrors(): Promise<string[]> {
  return readdir(join(dataDir, 'mirrors'));
}

async function onlyMirror(): Promise<string> {
  const [mirror, ...others] = await mirrors();
  expect(others).toEqual([]);
  return join(dataDir, 'mirrors', mirror ?? '');
}

async function pack(mirror: string, ending: '.pack' | '.idx'): Promise<string> {
  const packs = join(mirror, 'objects/pack');
  const name = (await readdir(packs)).find((found) => found.endsWith(ending));
  return join(packs, name ?? '');
}

describe('a mirror of an earlier process', () => {
  let whole: Buffer;
  let mirror: string;
  const description = () => join(mirror, 'express-git-snapshot.json');

  beforeEach(async () => {
    const earlier = start();
    whole = await generate(earlier);
    await earlier.close({ running: 'wait' });
    mirror = await onlyMirror();
    upstream.requests.length = 0;
  });

  test('is used as it is', async () => {
    expect((await generate(start())).equals(whole)).toBe(true);
    expect(upstream.requests).toEqual([]);
  });

  const damages: [what: string, damage: () => Promise<unknown>][] = [
    [
      'an empty directory',
      async () => {
        for (const name of await readdir(mirror)) await rm(join(mirror, name), { recursive: true });
      },
    ],
    [
      'a file',
      async () => {
        await rm(mirror, { recursive: true });
        await writeFile(mirror, 'no directory');
      },
    ],
    ['without its description', () => rm(description())],
    [
      'with half a description',
      async () => {
        await writeFile(description(), (await readFile(description(), 'utf8')).slice(0, 40));
      },
    ],
    ['with an empty description', () => writeFile(description(), '')],
    [
      'with a description of another version',
      () => rewrite((text) => text.replace('"version": 1', '"version": 2')),
    ],
    ['of another repository', () => rewrite((text) => text.replace(PATH, 'org/other'))],
    ['with a pack of a wrong name', () => rewrite((text) => text.replace('pack-', '../pack-'))],
    [
      'with packs that are none',
      () => rewrite((text) => text.replace(/"packs": \[[^\]]*\]/, '"packs": 7')),
    ],
    ['without its pack', async () => rm(await pack(mirror, '.pack'))],
    ['without its idx', async () => rm(await pack(mirror, '.idx'))],
  ];

  async function rewrite(change: (text: string) => string): Promise<void> {
    const before = await readFile(description(), 'utf8');
    const after = change(before);
    expect(after).not.toBe(before);
    await writeFile(description(), after);
  }

  test.each(damages)('that is %s is cloned anew', async (_what, damage) => {
    await damage();
    const service = start();
    expect((await generate(service)).equals(whole)).toBe(true);
    expect(upstream.uploadPacks(PATH)).toBe(1);
    await service.close({ running: 'wait' });
    expect(await onlyMirror()).toBe(mirror);
    expect(await leftovers(dataDir)).toEqual([]);
  });

  test('is left alone when its upstream is gone by now', async () => {
    upstream.fault(PATH, { kind: 'status', status: 404 });
    expect((await generate(start())).equals(whole)).toBe(true);
  });
});

test('a start removes clones that a dead process left, and no mirror', async () => {
  const first = start();
  await generate(first);
  await first.close({ running: 'wait' });
  const mirror = await onlyMirror();
  const dead = temporaryName('clone').replace(`~${process.pid}~`, '~999999999~');
  await cp(mirror, join(dataDir, 'mirrors', dead), { recursive: true });
  await start().started;
  expect(await onlyMirror()).toBe(mirror);
});

test('two processes that clone at once end with one mirror', async () => {
  const [a, b] = [start(), start()];
  const gate = upstream.gate(PATH);
  const answers = Promise.all([generate(a), generate(b)]);
  await upstream.waitFor(() => upstream.uploadPacks(PATH) === 2);
  gate.release();
  const [one, two] = await answers;
  expect(one.equals(two)).toBe(true);
  await Promise.all([a.close({ running: 'wait' }), b.close({ running: 'wait' })]);
  await onlyMirror();
  expect(await leftovers(dataDir)).toEqual([]);
});

test('repositories of similar names have mirrors of their own', async () => {
  const service = start();
  const paths = ['a/b-c', 'a-b/c', 'A/b-c', 'a/b/c'];
  await Promise.all(paths.map((path) => generate(service, path)));
  expect(await mirrors()).toHaveLength(paths.length);
});

test('a path as long as paths may be has a mirror', async () => {
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
  const hosts = {
    [HOST]: { baseUrl: url, allowPrivateAddresses: true },
    other: { baseUrl: upstream.url, allowPrivateAddresses: true },
  };
  const service = start({ hosts });
  expect((await generate(service, long)).length).toBeGreaterThan(0);
  expect(seen[0]).toContain(long);
  await onlyMirror();
});

describe('a failure', () => {
  test('is of one repository', async () => {
    upstream.fault(PATH, { kind: 'status', status: 403 });
    const service = start();
    await expect(generate(service)).rejects.toMatchObject({ code: 'UPSTREAM_DENIED' });
    expect((await generate(service, 'a/b-c')).length).toBeGreaterThan(0);
  });

  test('is remembered for as long as the upstream asks for, if that is longer', async () => {
    let asked = 0;
    const url = await listen(
      createServer((_req, res) => {
        asked++;
        res.writeHead(503, { 'retry-after': '90' }).end();
      }),
      defer,
    );
    const service = start({ limits: { failureMemory: 1000 } }, url);
    for (const call of [1, 2]) {
      const failure = await generate(service).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
      expect(failure).toMatchObject({ retryAfter: call === 1 ? 90 : expect.any(Number) });
    }
    expect(asked).toBe(1);
  });

  test('that is not remembered is tried again at once', async () => {
    upstream.fault(PATH, { kind: 'status', status: 500 });
    const service = start({ limits: { failureMemory: 0 } });
    for (let call = 1; call <= 2; call++) {
      await expect(generate(service)).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
      expect(upstream.infoRefs(PATH)).toBe(call);
    }
  });
});
