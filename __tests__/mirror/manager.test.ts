import {
  appendFile,
  chmod,
  cp,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import {
  createSnapshotService,
  type SnapshotOptions,
  type SnapshotService,
} from '../../lib/index.js';
import { temporaryName } from '../../lib/stores/temporary.js';
import { damagePack } from '../support/damage-pack.js';
import { leftovers } from '../support/host-app.js';
import { listen } from '../support/listen.js';
import { git } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream, type Upstream } from '../support/upstream.js';

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
const HOST = 'git.test';
const PATH = 'org/repo';
const NOBODY = 'ab'.repeat(20);

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

async function refs(mirror: string): Promise<string> {
  const directory = join(mirror, 'express-git-snapshot');
  const name = (await readdir(directory)).find((found) => found.endsWith('.refs'));
  return join(directory, name ?? '');
}

async function cut(path: string, bytes: number): Promise<void> {
  await chmod(path, 0o644);
  await truncate(path, bytes);
}

describe('a mirror of an earlier process', () => {
  let whole: Buffer;
  let mirror: string;
  const revision = () => join(mirror, 'express-git-snapshot/1.json');

  beforeEach(async () => {
    const earlier = start();
    whole = await generate(earlier);
    await earlier.close({ running: 'wait' });
    mirror = await onlyMirror();
    upstream.requests.length = 0;
  });

  test('is used as it is', async () => {
    expect((await generate(start())).equals(whole)).toBe(true);
    expect(upstream.requests.map(({ service }) => service)).toEqual(['info-refs']);
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
    [
      'a link to itself',
      async () => {
        await rm(mirror, { recursive: true });
        await symlink(mirror, mirror);
      },
    ],
    ['without its revision', () => rm(revision())],
    ['with a directory in place of its revision', () => replace(revision(), mkdir)],
    [
      'with a file in place of its packs',
      () => replace(join(mirror, 'objects/pack'), (path) => writeFile(path, '')),
    ],
    [
      'with a directory in place of its idx',
      async () => replace(await pack(mirror, '.idx'), mkdir),
    ],
    [
      'with half a revision',
      async () => {
        await writeFile(revision(), (await readFile(revision(), 'utf8')).slice(0, 40));
      },
    ],
    ['with an empty revision', () => writeFile(revision(), '')],
    [
      'with a revision of another format',
      () => rewrite((text) => text.replace('"format": 3', '"format": 4')),
    ],
    ['of another repository', () => rewrite((text) => text.replace(PATH, 'org/other'))],
    ['with a pack of a wrong name', () => rewrite((text) => text.replace('pack-', '../pack-'))],
    [
      'with packs that are none',
      () => rewrite((text) => text.replace(/"packs": \[[^\]]*\]/, '"packs": 7')),
    ],
    ['without its pack', async () => rm(await pack(mirror, '.pack'))],
    ['without its idx', async () => rm(await pack(mirror, '.idx'))],
    ['without its refs', async () => rm(await refs(mirror))],
    ['whose pack was cut', async () => cut(await pack(mirror, '.pack'), 100)],
    ['whose idx is empty', async () => cut(await pack(mirror, '.idx'), 0)],
    [
      'whose pack has another trailer',
      async () => {
        const path = await pack(mirror, '.pack');
        const { size } = await stat(path);
        await cut(path, size - 1);
        await appendFile(path, 'x');
      },
    ],
    ['whose idx has another id for a commit', () => changeIdx('HEAD')],
    ['whose idx has another id for a tree', () => changeIdx('HEAD:src')],
    [
      'whose refs have another id',
      async () => {
        const path = await refs(mirror);
        const text = await readFile(path, 'utf8');
        await writeFile(path, text.replace(/^[0-9a-f]{40} refs\/tags/m, `${NOBODY} refs/tags`));
      },
    ],
    [
      'whose HEAD has another id',
      () => rewrite((text) => text.replace(/"oid": "[0-9a-f]{40}"/, `"oid": "${NOBODY}"`)),
    ],
    ['whose pack is damaged inside', async () => void (await damagePack(dataDir))],
  ];

  async function replace(path: string, make: (path: string) => Promise<unknown>): Promise<void> {
    await rm(path, { recursive: true });
    await make(path);
  }

  async function rewrite(change: (text: string) => string): Promise<void> {
    const before = await readFile(revision(), 'utf8');
    const after = change(before);
    expect(after).not.toBe(before);
    await writeFile(revision(), after);
  }

  /** Inverts the last byte of an object's id. */
  async function changeIdx(object: string): Promise<void> {
    const oid = await git(mirror, 'rev-parse', object);
    const path = await pack(mirror, '.idx');
    const idx = await readFile(path);
    const at = idx.indexOf(oid, 0, 'hex') + 19;
    idx.writeUInt8(idx.readUInt8(at) ^ 0xff, at);
    await chmod(path, 0o644);
    await writeFile(path, idx);
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
