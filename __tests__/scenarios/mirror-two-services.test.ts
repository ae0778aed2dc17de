/**
 * @one-node-version
 */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SnapshotService } from '../../lib/index.js';
import { revisionDirectory } from '../../lib/mirror/disk/layout.js';
import { readRevision } from '../../lib/mirror/disk/revision-file.js';
import { rounds, seedOf } from '../support/effort.js';
import { read } from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import { expectNothingLeft, mirrorNames } from '../support/nothing-left.js';
import { ownRepository } from '../support/own-repository.js';
import { SeededRandom } from '../support/random.js';
import { pushAtRandom } from '../support/random-push.js';
import { git } from '../support/run.js';
import { listen } from '../support/service-events.js';
import { buildSmall, push } from '../support/small-repositories.js';

const STRICT = { staleWhileRevalidate: 0, maxAge: 0, checkInterval: 0 } as const;
const ROUNDS = rounds(5, 50);

const repository = ownRepository(buildSmall);
let dataDir: string;
let a: SnapshotService;
let b: SnapshotService;
const failures: unknown[] = [];

beforeAll(async () => {
  const app = await repository.startSharedApp({ freshness: STRICT });
  ({ dataDir } = app);
  a = app.router.service;
  b = (await repository.startSharedApp({ freshness: STRICT, dataDir })).router.service;
  // A build is retried when the other service removes its packs.
  for (const service of [a, b]) {
    listen(service, 'fetch failed', ({ error }) => failures.push(error));
    listen(service, 'repack failed', ({ error }) => failures.push(error));
    listen(service, 'mirrorCorrupted', ({ error }) => failures.push(error));
  }
});

beforeEach(async () => {
  await read(a, repository.snapshot);
});

async function expectMirrored(): Promise<void> {
  expect(failures).toEqual([]);
  const mirror = repository.mirrorIn(dataDir);
  const refs = (where: string) => git(where, 'for-each-ref', '--format=%(refname) %(objectname)');
  expect(await refs(mirror)).toBe(await refs(repository.bare));
  expect(await git(mirror, 'symbolic-ref', 'HEAD')).toBe(
    await git(repository.bare, 'symbolic-ref', 'HEAD'),
  );
}

describe('Two services on one directory', () => {
  test('that fetch into one mirror at once both serve the new commit', async () => {
    for (let i = 0; i < ROUNDS; i++) {
      const commit = await push(repository.bare, { files: { 'n.txt': `${i}\n` } });
      const answers = await Promise.all(
        [a, b, a, b].map((service) => read(service, repository.snapshot)),
      );
      expect(answers.map((answer) => answer.commit)).toEqual(answers.map(() => commit));
    }
    await expectMirrored();
    const revision = await readRevision(repository.mirrorIn(dataDir));
    expect(revision?.packs.length).toBeLessThanOrEqual(20);
  });

  test('that prune and build at once disturb no request', async () => {
    const random = new SeededRandom(seedOf('two services'));
    await push(repository.bare, { branch: 'other' });
    for (let i = 0; i < ROUNDS; i++) {
      await pushAtRandom(repository.bare, random);
      const head = await repository.head();
      const [one, two] = await Promise.all([
        read(a, repository.snapshot),
        read(b, repository.snapshot),
        read(b, { ...repository.snapshot, depth: 1 + (i % 3) }),
        a.refresh(repository.id),
      ]);
      expect([one.commit, two.commit]).toEqual([head, head]);
    }
    await expectMirrored();
  });

  test('serve the right commit while forced pushes move the upstream back and forth', async () => {
    const first = await repository.head();
    const second = await push(repository.bare, { parents: ['refs/heads/main~1'] });
    for (let i = 0; i < ROUNDS; i++) {
      const commit = i % 2 === 0 ? first : second;
      await git(repository.bare, 'update-ref', 'refs/heads/main', commit);
      const answers = await Promise.all([
        read(a, repository.snapshot),
        read(b, { ...repository.snapshot, depth: 1 }),
        read(b, repository.snapshot),
      ]);
      expect(answers.map((answer) => answer.commit)).toEqual([commit, commit, commit]);
    }
    await expectMirrored();
  });

  test('both go on when one purges the mirror that the other fetches into', async () => {
    await b.ready();
    const commit = await push(repository.bare);
    const gate = repository.upstream.gate(repository.path, 20);
    const refreshing = a.refresh(repository.id);
    await gate.reached;
    await b.purge(repository.id);
    gate.release();
    expect((await refreshing).commit).toBe(commit);
    await expectMirrored();
  });

  test('leave complete mirrors, and no other files', async () => {
    await Promise.all([a, b].map((service) => service.close({ drain: true })));
    expect(failures).toEqual([]);
    await expectNothingLeft(dataDir, repository.upstream);
    const names = await mirrorNames(dataDir);
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      const mirror = join(dataDir, 'mirrors', name);
      const files = [...(await readdir(mirror)), ...(await readdir(revisionDirectory(mirror)))];
      expect(files.filter((file) => file.includes('~'))).toEqual([]);
      expect((await fsck(mirror)).filter((line) => !line.startsWith('dangling'))).toEqual([]);
    }
  });
});
