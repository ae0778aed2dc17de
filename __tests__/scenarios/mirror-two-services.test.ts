/**
 * @one-node-version
 */
import { readdir } from 'node:fs/promises';
import type { SnapshotService } from '../../lib/index.js';
import { revisionDirectory } from '../../lib/mirror/revision.js';
import { readRevision } from '../../lib/mirror/revision-file.js';
import { rounds, seedOf } from '../support/effort.js';
import { type FreshRepository, freshRepository, read } from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import { expectNothingLeft } from '../support/nothing-left.js';
import { SeededRandom } from '../support/random.js';
import { pushAtRandom } from '../support/random-push.js';
import { git } from '../support/run.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const STRICT = { mode: 'strict', maxAge: 0, checkInterval: 0 } as const;
const ROUNDS = rounds(5, 50);

let repository: FreshRepository;
let a: SnapshotService;
let b: SnapshotService;
let failures: unknown[];

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  failures = [];
  a = repository.start({ freshness: STRICT });
  b = repository.start({ freshness: STRICT });
  // A generation from which the other service takes the packs away is tried again.
  for (const { events } of [a, b]) {
    events.on('refreshFailed', ({ error }) => failures.push(error));
    events.on('consolidationFailed', ({ error }) => failures.push(error));
    events.on('mirrorBroken', ({ error }) => failures.push(error));
  }
  await read(a, repository.id);
});

async function expectTidy(): Promise<void> {
  await Promise.all([a, b].map((service) => service.close({ running: 'wait' })));
  await expectNothingLeft(repository.dataDir, repository.upstream);
  const mirror = await repository.mirror();
  const refs = (where: string) => git(where, 'for-each-ref', '--format=%(refname) %(objectname)');
  expect(await refs(mirror)).toBe(await refs(repository.bare));
  expect(await git(mirror, 'symbolic-ref', 'HEAD')).toBe(
    await git(repository.bare, 'symbolic-ref', 'HEAD'),
  );
  expect((await readdir(mirror)).filter((name) => name.includes('~'))).toEqual([]);
  expect((await readdir(revisionDirectory(mirror))).filter((name) => name.includes('~'))).toEqual(
    [],
  );
  expect((await fsck(mirror)).filter((line) => !line.startsWith('dangling'))).toEqual([]);
}

test('that update one mirror at once both serve what is new', async () => {
  for (let i = 0; i < ROUNDS; i++) {
    const commit = await push(repository.bare, { files: { 'n.txt': `${i}\n` } });
    const answers = await Promise.all([a, b, a, b].map((service) => read(service, repository.id)));
    expect(answers.map((answer) => answer.commit)).toEqual(answers.map(() => commit));
  }
  expect(failures).toEqual([]);
  await expectTidy();
  const revision = await readRevision(await repository.mirror());
  expect(revision?.packs.length).toBeLessThanOrEqual(20);
});

test('that prune and generate at once do no harm', async () => {
  const random = new SeededRandom(seedOf('two services'));
  await push(repository.bare, { branch: 'other' });
  for (let i = 0; i < ROUNDS; i++) {
    await pushAtRandom(repository.bare, random);
    const head = await repository.head();
    const [one, two] = await Promise.all([
      read(a, repository.id),
      read(b, repository.id),
      read(b, { ...repository.id, depth: 1 + (i % 3) }),
      a.refresh(repository.id),
    ]);
    expect([one.commit, two.commit]).toEqual([head, head]);
  }
  expect(failures).toEqual([]);
  await expectTidy();
});

test('of which one force-pushes to and fro what the other reads', async () => {
  const first = await repository.head();
  const second = await push(repository.bare, { parents: ['refs/heads/main~1'] });
  for (let i = 0; i < ROUNDS; i++) {
    const commit = i % 2 === 0 ? first : second;
    await git(repository.bare, 'update-ref', 'refs/heads/main', commit);
    const answers = await Promise.all([
      read(a, repository.id),
      read(b, { ...repository.id, depth: 1 }),
      read(b, repository.id),
    ]);
    expect(answers.map((answer) => answer.commit)).toEqual([commit, commit, commit]);
  }
  expect(failures).toEqual([]);
  await expectTidy();
});

test('of which one evicts what the other fetches for', async () => {
  await b.started;
  const commit = await push(repository.bare);
  const gate = repository.upstream.gate(repository.path, 20);
  const refreshing = a.refresh(repository.id);
  await gate.reached;
  await b.evict(repository.id);
  gate.release();
  expect((await refreshing).commit).toBe(commit);
  expect(failures).toEqual([]);
  await expectTidy();
});
