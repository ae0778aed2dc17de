import { mkdir, readdir, rm } from 'node:fs/promises';
import { revisionDirectory, revisionPath } from '../../../lib/mirror/disk/layout.js';
import type { MirrorRevision } from '../../../lib/mirror/disk/revision.js';
import {
  isSuperseded,
  publishRevision,
  readRevision,
} from '../../../lib/mirror/disk/revision-file.js';
import { cleanup } from '../../support/temporary-directory.js';

const { directory } = cleanup(afterEach);

const content = (garbageSince: number): Omit<MirrorRevision, 'number'> => ({
  repository: { host: 'git.test', path: 'org/repo' },
  clone: '0123456789abcdef',
  packs: [],
  head: { kind: 'branch', ref: 'refs/heads/main', oid: undefined },
  digest: 'a'.repeat(64),
  pinned: { commits: [], packs: [] },
  garbageSince,
  prunings: 0,
  isConnected: true,
});

let mirror: string;

beforeEach(async () => {
  mirror = await directory();
  await mkdir(revisionDirectory(mirror));
});

test('A published revision is read as it was written', async () => {
  expect(await readRevision(mirror)).toBeUndefined();
  const first = await publishRevision(mirror, 0, content(1));
  expect(first).toEqual({ ...content(1), number: 1 });
  expect(await readRevision(mirror)).toEqual(first);
  const second = await publishRevision(mirror, 1, content(2));
  expect(await readRevision(mirror)).toEqual(second);
  expect(await readdir(revisionDirectory(mirror))).toEqual(['1.json', '2.json']);
});

test('If many writers publish revisions at once, none of them gets the number of another one', async () => {
  const PUBLISHERS = 20;
  const EACH = 5;
  const published: MirrorRevision[] = [];
  await Promise.all(
    Array.from({ length: PUBLISHERS }, async (_, publisher) => {
      for (let i = 0; i < EACH; ) {
        const after = (await readRevision(mirror))?.number ?? 0;
        const revision = await publishRevision(mirror, after, content(publisher * EACH + i));
        if (revision === undefined) continue;
        published.push(revision);
        i++;
      }
    }),
  );
  const numbers = published.map(({ number }) => number);
  expect(new Set(numbers).size).toBe(PUBLISHERS * EACH);
  expect(new Set(published.map(({ garbageSince }) => garbageSince)).size).toBe(PUBLISHERS * EACH);
  const last = Math.max(...numbers);
  expect(await readRevision(mirror)).toEqual(published.find(({ number }) => number === last));
});

test('A number below the current one is not published again', async () => {
  for (let i = 0; i < 3; i++) await publishRevision(mirror, i, content(i));
  await rm(revisionPath(mirror, 2));
  expect(await publishRevision(mirror, 1, content(9))).toBeUndefined();
  expect(await readRevision(mirror)).toMatchObject({ number: 3, garbageSince: 2 });
  expect(await readdir(revisionDirectory(mirror))).toEqual(['1.json', '3.json']);
});

test('A revision is superseded when the mirror has another one, one of another clone, or none', async () => {
  const first = { ...content(1), number: 1 };
  expect(await isSuperseded({ directory: mirror, revision: first })).toBe(true);
  await publishRevision(mirror, 0, content(1));
  expect(await isSuperseded({ directory: mirror, revision: first })).toBe(false);
  expect(
    await isSuperseded({ directory: mirror, revision: { ...first, clone: 'b'.repeat(16) } }),
  ).toBe(true);
  await publishRevision(mirror, 1, content(1));
  expect(await isSuperseded({ directory: mirror, revision: first })).toBe(true);
});
