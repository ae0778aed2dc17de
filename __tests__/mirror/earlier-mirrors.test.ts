/** @one-node-version */

import {
  appendFile,
  chmod,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import type { SnapshotService } from '../../lib/index.js';
import { MirrorDirectory } from '../../lib/mirror/disk/mirror-directory.js';
import { type FreshRepository, freshRepository, read } from '../support/fresh-repository.js';
import { HOST, leftovers } from '../support/host-app.js';
import { git } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

/** The id of an object that does not exist. */
const UNKNOWN = 'ab'.repeat(20);

/** Damage to a mirror between two processes. Each kind happens to the mirror of a repository of its own. */
const DAMAGES: [what: string, damage: (mirror: string, path: string) => Promise<unknown>][] = [
  [
    'is an empty directory',
    async (mirror) => {
      for (const name of await readdir(mirror)) await rm(join(mirror, name), { recursive: true });
    },
  ],
  [
    'is a file',
    async (mirror) => {
      await rm(mirror, { recursive: true });
      await writeFile(mirror, 'no directory');
    },
  ],
  [
    'is a link to itself',
    async (mirror) => {
      await rm(mirror, { recursive: true });
      await symlink(mirror, mirror);
    },
  ],
  ['has lost its revision', (mirror) => rm(revisionOf(mirror))],
  [
    'has a directory in place of its revision',
    (mirror) => replace(revisionOf(mirror), (place) => mkdir(place)),
  ],
  [
    'has a file in place of its packs',
    (mirror) => replace(join(mirror, 'objects/pack'), (place) => writeFile(place, '')),
  ],
  [
    'has a directory in place of its idx',
    async (mirror) => replace(await packed(mirror, '.idx'), (place) => mkdir(place)),
  ],
  ['has half a revision', (mirror) => rewrite(mirror, (text) => text.slice(0, 40))],
  ['has an empty revision', (mirror) => rewrite(mirror, () => '')],
  [
    'has a revision of another format',
    (mirror) => rewrite(mirror, (text) => text.replace('"format": 4', '"format": 5')),
  ],
  [
    'is of another repository',
    (mirror, path) => rewrite(mirror, (text) => text.replace(path, 'org/other')),
  ],
  [
    'has a pack of a wrong name',
    (mirror) => rewrite(mirror, (text) => text.replace('pack-', '../pack-')),
  ],
  [
    'has a number in place of its list of packs',
    (mirror) => rewrite(mirror, (text) => text.replace(/"packs": \[[^\]]*\]/, '"packs": 7')),
  ],
  ['has lost its pack', async (mirror) => rm(await packed(mirror, '.pack'))],
  ['has lost its idx', async (mirror) => rm(await packed(mirror, '.idx'))],
  ['has lost its refs', async (mirror) => rm(await refsOf(mirror))],
  ['has a pack that was cut', async (mirror) => cut(await packed(mirror, '.pack'), 100)],
  ['has an empty idx', async (mirror) => cut(await packed(mirror, '.idx'), 0)],
  [
    'has a pack with another trailer',
    async (mirror) => {
      const pack = await packed(mirror, '.pack');
      const { size } = await stat(pack);
      await cut(pack, size - 1);
      await appendFile(pack, 'x');
    },
  ],
  ['has an idx with another id for a commit', (mirror) => changeIdx(mirror, 'HEAD')],
  ['has an idx with another id for a tree', (mirror) => changeIdx(mirror, 'HEAD:src')],
  [
    'has refs with another id',
    async (mirror) => {
      const refs = await refsOf(mirror);
      const text = await readFile(refs, 'utf8');
      const changed = text.replace(/^[0-9a-f]{40} refs\/tags/m, `${UNKNOWN} refs/tags`);
      expect(changed).not.toBe(text);
      await writeFile(refs, changed);
    },
  ],
  [
    'has a HEAD with another id',
    (mirror) =>
      rewrite(mirror, (text) => text.replace(/"oid": "[0-9a-f]{40}"/, `"oid": "${UNKNOWN}"`)),
  ],
  [
    'has a pack that is damaged inside',
    async (mirror) => {
      const pack = await packed(mirror, '.pack');
      await invert(pack, Math.floor((await stat(pack)).size / 2));
    },
  ],
];

function revisionOf(mirror: string): string {
  return join(mirror, 'express-git-snapshot/1.json');
}

/** The path of the only pack, or of its idx. */
async function packed(mirror: string, ending: '.pack' | '.idx'): Promise<string> {
  return onlyFile(join(mirror, 'objects/pack'), ending);
}

async function refsOf(mirror: string): Promise<string> {
  return onlyFile(join(mirror, 'express-git-snapshot'), '.refs');
}

async function onlyFile(directory: string, ending: string): Promise<string> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(ending));
  expect(names).toHaveLength(1);
  return join(directory, names[0] ?? '');
}

async function replace(place: string, make: (place: string) => Promise<unknown>): Promise<void> {
  await rm(place, { recursive: true });
  await make(place);
}

async function rewrite(mirror: string, change: (text: string) => string): Promise<void> {
  const before = await readFile(revisionOf(mirror), 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  await writeFile(revisionOf(mirror), after);
}

async function cut(file: string, bytes: number): Promise<void> {
  await chmod(file, 0o644);
  await truncate(file, bytes);
}

async function invert(file: string, at: number): Promise<void> {
  const bytes = await readFile(file);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at);
  await chmod(file, 0o644);
  await writeFile(file, bytes);
}

/** Inverts the last byte of an object's id. */
async function changeIdx(mirror: string, object: string): Promise<void> {
  const oid = await git(mirror, 'rev-parse', object);
  const idx = await packed(mirror, '.idx');
  await invert(idx, (await readFile(idx)).indexOf(oid, 0, 'hex') + 19);
}

const { directory, defer } = cleanup(afterAll);
const UNDAMAGED = 'undamaged/used';
const GONE = 'undamaged/gone';
const damagedPath = (i: number) => `damaged/repo-${i}`;

let fresh: FreshRepository;
let service: SnapshotService;
/** The snapshots of the earlier process, by the path of the repository. */
const served = new Map<string, Buffer>();

/** Builds a new snapshot from the mirror. */
async function build(from: SnapshotService, path: string): Promise<Buffer> {
  const id = defaultSnapshot({ host: HOST, path });
  await from.delete(id);
  return (await read(from, id)).bytes;
}

beforeAll(async () => {
  fresh = await freshRepository({ directory, defer });
  const paths = [UNDAMAGED, GONE, ...DAMAGES.map((_, i) => damagedPath(i))];
  for (const path of paths) await fresh.add(path);
  const earlier = fresh.start();
  for (const path of paths) served.set(path, await build(earlier, path));
  await earlier.close({ drain: true });
  for (const [i, [, damage]] of DAMAGES.entries()) {
    await damage(pathOf(damagedPath(i)), damagedPath(i));
  }
  fresh.upstream.requests.length = 0;
  service = fresh.start();
});

function pathOf(path: string): string {
  const mirrors = new MirrorDirectory(join(fresh.dataDir, 'mirrors'), () => {});
  return mirrors.pathOf({ host: HOST, path });
}

async function expectSameSnapshot(path: string): Promise<void> {
  const bytes = await build(service, path);
  expect(bytes.equals(served.get(path) ?? Buffer.alloc(0))).toBe(true);
}

describe('A mirror of an earlier process', () => {
  test('is used as it is when it is complete', async () => {
    await expectSameSnapshot(UNDAMAGED);
    const requests = fresh.upstream.requests.filter(({ repository }) => repository === UNDAMAGED);
    expect(requests.map((request) => request.service)).toEqual(['info-refs']);
  });

  test('is used when its upstream is gone', async () => {
    fresh.upstream.fault(GONE, { kind: 'status', status: 404 });
    await expectSameSnapshot(GONE);
  });

  test.each(DAMAGES.map(([what], i) => [what, damagedPath(i)] as const))(
    'is cloned again when it %s',
    async (_what, path) => {
      await expectSameSnapshot(path);
      expect(fresh.upstream.uploadPacks(path)).toBe(1);
      expect((await readdir(pathOf(path))).length).toBeGreaterThan(0);
    },
  );

  test('leaves nothing beside the mirrors that replaced it', async () => {
    await service.close({ drain: true });
    expect(await readdir(join(fresh.dataDir, 'mirrors'))).toHaveLength(served.size);
    expect(await leftovers(fresh.dataDir)).toEqual([]);
  });
});
