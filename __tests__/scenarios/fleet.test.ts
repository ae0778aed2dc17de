/**
 * @needs bash zstd tar
 * @one-node-version
 */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { FleetClient } from '../support/fleet-client.js';
import { type FreshRepository, freshRepository } from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import { HeldLocks } from '../support/held-locks.js';
import { HOST, type HostApp } from '../support/host-app.js';
import { seededBytes } from '../support/random.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { git } from '../support/run.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

/** Milliseconds for which nothing is outdated. */
const FOREVER = 0x7fff_ffff;
const NO_FAST_FORWARD = 'Not possible to fast-forward';
const NO_SUCH_BRANCH = "couldn't find remote ref main";

interface Change {
  /** Changes a repository that has `main`, `topic` and `other`. */
  readonly make: (bare: string) => Promise<unknown>;
  /** The effect of the bundle on a checkout from before, or git's complaint about it. */
  readonly outcome: string;
  /** Default: true. */
  readonly keepsBase?: boolean;
}

const CHANGES: Record<string, Change> = {
  'new commits': {
    make: async (bare) => {
      for (const n of [1, 2, 3]) await push(bare, { files: { 'large.bin': bytes(n) } });
    },
    outcome: 'applied',
  },
  'a merge': {
    make: async (bare) => {
      const parents = [await git(bare, 'rev-parse', 'main'), await git(bare, 'rev-parse', 'topic')];
      await push(bare, { parents, files: { 'topic.txt': 'topic\n' } });
    },
    outcome: 'applied',
  },
  'new modes and kinds of files': {
    make: (bare) =>
      push(bare, {
        files: {
          'run.sh': { mode: '100755', content: 'echo run\n' },
          link: { mode: '120000', content: 'run.sh' },
          'to-link': { mode: '120000', content: 'link' },
          'to-file/now-a-file': null,
          'to-file': 'a file\n',
          gone: null,
        },
      }),
    outcome: 'applied',
  },
  'a merge of a history with a root of its own': {
    make: async (bare) => {
      const root = await push(bare, { branch: 'subtree', parents: [], files: { 's/a': 'a\n' } });
      const parents = [await git(bare, 'rev-parse', 'main'), root];
      await push(bare, { parents, files: { 's/a': 'a\n' } });
    },
    outcome: 'applied',
  },
  'a default branch with another name': {
    make: async (bare) => {
      await git(bare, 'branch', '-m', 'main', 'trunk');
      await push(bare, { branch: 'trunk' });
    },
    outcome: NO_SUCH_BRANCH,
  },
  'nothing but the name of the default branch': {
    make: (bare) => git(bare, 'branch', '-m', 'main', 'trunk'),
    outcome: 'up to date',
  },
  'another default branch': {
    make: (bare) => git(bare, 'symbolic-ref', 'HEAD', 'refs/heads/topic'),
    outcome: NO_SUCH_BRANCH,
  },
  // The mirror may lack commits that no ref leads to any more.
  'a push by force': {
    make: (bare) => push(bare, { parents: ['refs/heads/main~1'], files: { forced: 'forced\n' } }),
    outcome: 'not available',
    keepsBase: false,
  },
  'a push by force beside a branch of before': {
    make: async (bare) => {
      await git(bare, 'branch', 'before', 'main');
      await push(bare, { parents: ['refs/heads/main~1'], files: { forced: 'forced\n' } });
    },
    outcome: NO_FAST_FORWARD,
  },
  'a push by force of a new root': {
    make: async (bare) => {
      await git(bare, 'branch', 'before', 'main');
      await push(bare, { parents: [], files: { forced: 'forced\n' } });
    },
    outcome: NO_FAST_FORWARD,
  },
  'a branch that went back': {
    make: (bare) => git(bare, 'update-ref', 'refs/heads/main', 'main~1'),
    outcome: 'not available',
    keepsBase: false,
  },
  'a branch that went back beside one of before': {
    make: async (bare) => {
      await git(bare, 'branch', 'before', 'main');
      await git(bare, 'update-ref', 'refs/heads/main', 'main~1');
    },
    outcome: 'not available',
  },
  'a tag': { make: (bare) => git(bare, 'tag', 'v2', 'main~1'), outcome: 'up to date' },
  'a deleted branch': { make: (bare) => git(bare, 'branch', '-D', 'other'), outcome: 'up to date' },
};

/** `stale`: what is stored is served; `fresh`: it is checked first. */
type Mode = 'stale' | 'fresh';

/** Bundles do not depend on the mode, so that a few cases are enough for the second one. */
const STRICT = ['new commits', 'a default branch with another name', 'a push by force', 'a tag'];

const CASES = Object.entries(CHANGES).flatMap(([name, change]) => {
  const modes: Mode[] = ['stale'];
  if (STRICT.includes(name)) modes.push('fresh');
  return modes.map((mode) => ({ mode, name, ...change }));
});

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
let repository: FreshRepository;
let apps: Record<Mode, { app: HostApp; locks: HeldLocks }>;

beforeAll(async () => {
  repository = await freshRepository(shared, build);
  apps = { stale: await start(FOREVER), fresh: await start(0) };
});

describe.each(CASES)(
  'After $name and served $mode,',
  ({ mode, name: change, make, outcome, keepsBase = true }) => {
    test('a client of the fleet can restore, fast-forward and ensure refs', async () => {
      const { app, locks } = apps[mode];
      const path = `org/${mode}/${change.replaceAll(' ', '-')}`;
      const name = `${HOST}/${path}`;
      const { upstream } = repository;
      const bare = await repository.add(path, (copy) =>
        cp(repository.bare, copy, { recursive: true }),
      );
      const client = new FleetClient(app.url, { chunkBytes: 1000, concurrency: 4 });
      const at = await directory();
      const head = () => git(bare, 'rev-parse', 'HEAD');
      const before = await head();

      // The first one has it as it is built, the others in ranges.
      expect(await client.restore(name, join(at, 'first'))).toMatchObject({ status: 200 });
      const restored = await client.restore(name, join(at, 'before'));
      expect(restored).toMatchObject({ status: 206, commit: before, bundleUrl: undefined });
      expect(upstream.uploadPacks(path)).toBe(1);

      await make(bare);
      const after = await head();
      const branch = await git(bare, 'symbolic-ref', 'HEAD');
      let bundleUrl = `/git/${name}/snapshot.bundle?base=${before}`;
      if (mode === 'fresh') {
        const fresh = await client.restore(name, join(at, 'after'));
        expect(fresh).toMatchObject({ commit: after, bundleUrl: undefined });
      } else {
        // Somebody has the server notice; nobody has made another snapshot yet.
        locks.hold();
        defer(() => locks.release());
        const gone = { 'refs/heads/never-was': '' };
        const noticed = await client.ensureRefs(name, { refs: { ...gone, [branch]: after } });
        expect(noticed.fetched).toBe(true);
        const stale = await client.restore(name, join(at, 'after'));
        expect(stale).toMatchObject({ status: 206, commit: before, etag: restored.etag });
        expect(stale.bundleUrl).toBe(before === after ? undefined : bundleUrl);
        bundleUrl = stale.bundleUrl ?? bundleUrl;
      }

      const checkout = join(at, 'before');
      const applied = await client
        .applyBundle(bundleUrl, checkout)
        .catch((error: Error) => error.message);
      expect(applied).toContain(outcome);
      const ends = outcome === 'applied' ? after : before;
      expect(await git(checkout, 'rev-parse', 'HEAD')).toBe(ends);
      expect(await git(checkout, 'status', '--porcelain')).toBe('');
      // A bundle that could not be applied may leave dangling objects.
      const complaints = (await fsck(checkout)).filter((line) => !line.startsWith('dangling '));
      expect(complaints).toEqual([]);

      const asked = upstream.infoRefs(path);
      const wanted = { refs: { [branch]: after }, commits: keepsBase ? [after, before] : [after] };
      const answer = { refs: { [branch]: after }, missingCommits: [], fetched: false };
      expect(await client.ensureRefs(name, wanted)).toEqual(answer);
      expect(upstream.infoRefs(path)).toBe(asked);

      locks.release();
      await app.router.service.refresh({ host: HOST, path });
      const last = await client.restore(name, join(at, 'last'));
      expect(last).toMatchObject({ status: 206, commit: after, bundleUrl: undefined });
      expect(await git(join(at, 'last'), 'symbolic-ref', 'HEAD')).toBe(branch);
      expect(await git(join(at, 'last'), 'status', '--porcelain')).toBe('');
    });
  },
);

async function start(maxAge: number) {
  const locks = new HeldLocks();
  const app = await repository.startApp({
    dataDir: await shared.directory(),
    locks,
    freshness: { staleWhileRevalidate: maxAge, maxAge },
  });
  return { app, locks };
}

async function build(bare: string): Promise<void> {
  const builder = await RepositoryBuilder.create(bare);
  const first = builder.commit({
    files: { 'large.bin': bytes(0), 'run.sh': 'echo run\n', gone: 'gone\n', link: 'no link\n' },
  });
  const main = builder.commit({ files: { 'to-file/now-a-file': 'in it\n', 'to-link/x': 'x\n' } });
  builder.commit({ branch: 'topic', parents: [first], files: { 'topic.txt': 'topic\n' } });
  builder.commit({ branch: 'other', parents: [main], files: { 'other.txt': 'other\n' } });
  builder.commit({ files: { 'to-link/x': null, more: 'more\n' } });
  await builder.finish();
}

/** Does not compress, so that there are ranges. */
const bytes = (seed: number) => seededBytes(`fleet ${seed}`, 5000);
