import { writeFileSync } from 'node:fs';
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { UpdateSource } from '../../../lib/client/update/receive-upstream.js';
import { updateCheckout } from '../../../lib/client/update/update-checkout.js';
import { temporaryName } from '../../../lib/fs/temporary.js';
import { RepositoryBuilder } from '../../support/repository-builder.js';
import { git, run, runBinary } from '../../support/run.js';
import { cleanup } from '../../support/temporary-directory.js';

/* Updates by what a hostile server sends, and while other programs work in the checkout. */

const { directory } = cleanup(afterEach);

interface Lab {
  readonly upstream: string;
  readonly checkout: string;
}

/** An upstream whose branch has one commit more than a checkout. */
async function lab(): Promise<Lab> {
  const [upstream, checkout] = [join(await directory(), 'up.git'), join(await directory(), 'c')];
  const builder = await RepositoryBuilder.create(upstream);
  const first = builder.commit({ files: { 'edited.txt': 'one\n', 'kept.txt': 'kept\n' } });
  builder.ref('refs/heads/main', first);
  await builder.finish();
  await git('.', 'clone', '--quiet', upstream, checkout);
  const later = await RepositoryBuilder.open(upstream);
  const parent = await git(upstream, 'rev-parse', 'main');
  later.commit({ files: { 'edited.txt': 'two\n' }, parents: [parent] });
  await later.finish();
  return { upstream, checkout };
}

/** A server whose bundles git makes. */
function bundles(upstream: string, branch = 'main'): UpdateSource {
  return {
    async bundle(base) {
      const args = ['bundle', 'create', '--quiet', '-', `${base}..${branch}`];
      const bytes = await runBinary('git', args, { cwd: upstream });
      return (async function* () {
        yield bytes;
      })();
    },
    snapshot: () => Promise.reject(new Error('no snapshot')),
  };
}

/** A server whose snapshots git makes. @param added to `packed-refs`. */
function clones(upstream: string, added = ''): UpdateSource {
  return {
    bundle: () => Promise.resolve(undefined),
    async snapshot(path) {
      await git('.', 'clone', '--quiet', '--no-local', upstream, path);
      await git(path, 'pack-refs', '--all');
      await appendFile(join(path, '.git/packed-refs'), added);
    },
  };
}

function update(
  checkout: string,
  source: UpdateSource,
  options: { onFile?: () => void; force?: boolean; maxEntries?: number } = {},
) {
  return updateCheckout(checkout, source, {
    maxBytes: 1e9,
    maxEntries: 1e6,
    onUnsupported: 'fail',
    force: false,
    onFile: () => {},
    signal: undefined,
    ...options,
  });
}

test('A file that changes while new files are written keeps the change', async () => {
  const { upstream, checkout } = await lab();
  const path = join(checkout, 'edited.txt');
  const updating = update(checkout, bundles(upstream), {
    onFile: () => writeFileSync(path, 'mine\n'),
  });
  await expect(updating).rejects.toMatchObject({ code: 'LOCAL_CHANGES' });
  expect(await readFile(path, 'utf8')).toBe('mine\n');
});

test('A commit that another program makes while new files are written is not lost', async () => {
  const { upstream, checkout } = await lab();
  const mine = await git(checkout, 'commit-tree', '-m', 'mine', '-p', 'HEAD', 'HEAD^{tree}');
  const updating = update(checkout, bundles(upstream), {
    onFile: () => writeFileSync(join(checkout, '.git/refs/heads/main'), `${mine}\n`),
  });
  await expect(updating).rejects.toMatchObject({ code: 'CHECKOUT_LOCKED' });
  expect(await git(checkout, 'rev-parse', 'HEAD')).toBe(mine);
  expect(await git(checkout, 'status', '--porcelain')).toBe('');
});

test('A tree whose directories name one directory again and again is too large', async () => {
  const { upstream, checkout } = await lab();
  const tree = (lines: string) => run('git', ['mktree'], { cwd: upstream, input: lines });
  let oid = (await tree('')).trim();
  for (let depth = 0; depth < 5; depth++) {
    const lines = Array.from({ length: 10 }, (_, i) => `040000 tree ${oid}\t${i}\n`);
    oid = (await tree(lines.join(''))).trim();
  }
  const commit = await git(upstream, 'commit-tree', '-m', 'many', '-p', 'main', oid);
  await git(upstream, 'update-ref', 'refs/heads/main', commit);
  const updating = update(checkout, bundles(upstream), { maxEntries: 1000 });
  await expect(updating).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
});

test('A sparse checkout is refused also if its own config says so', async () => {
  const { upstream, checkout } = await lab();
  await git(checkout, 'sparse-checkout', 'set', '--no-cone', '/*');
  await expect(update(checkout, bundles(upstream))).rejects.toMatchObject({
    code: 'CHECKOUT_UNSUPPORTED',
  });
});

test.each(['loose', 'packed'])('A %s branch in the way of the new one is named', async (kind) => {
  const { upstream, checkout } = await lab();
  await git(upstream, 'branch', '-m', 'main', 'x');
  await git(upstream, 'branch', '-m', 'x', 'main/x');
  if (kind === 'packed') await git(checkout, 'pack-refs', '--all');
  await expect(update(checkout, bundles(upstream, 'main/x'))).rejects.toMatchObject({
    code: 'CHECKOUT_UNSUPPORTED',
    message: expect.stringContaining('both "refs/heads/main" and "refs/heads/main/x"'),
  });
  expect(await git(checkout, 'status', '--porcelain')).toBe('');
});

test('A tag in the way of a new one is named, and no ref changes', async () => {
  const { upstream, checkout } = await lab();
  await git(upstream, 'tag', 'v1/final', 'main');
  await git(checkout, 'tag', 'v1');
  const before = await git(checkout, 'for-each-ref');
  await expect(update(checkout, clones(upstream))).rejects.toMatchObject({
    code: 'CHECKOUT_UNSUPPORTED',
    message: expect.stringContaining('both "refs/tags/v1" and "refs/tags/v1/final"'),
  });
  expect(await git(checkout, 'for-each-ref')).toBe(before);
});

test.each([
  ['refs/heads/main.lock', 'main'],
  ['HEAD.lock', 'other'],
  ['config.lock', 'other'],
])('While git holds %s, no file changes', async (lock, branch) => {
  const { upstream, checkout } = await lab();
  await git(upstream, 'branch', '-m', 'main', branch);
  await writeFile(join(checkout, '.git', lock), '');
  await expect(update(checkout, bundles(upstream, branch))).rejects.toMatchObject({
    code: 'CHECKOUT_LOCKED',
  });
  expect(await readFile(join(checkout, 'edited.txt'), 'utf8')).toBe('one\n');
  expect(await git(checkout, 'status', '--porcelain')).toBe('');
});

test('Locks that a killed update left do not stop the next one, nor git', async () => {
  const { upstream, checkout } = await lab();
  // Of another start of this machine.
  const owner = temporaryName('ref').replace(/~\d+~\d+~/, `~${process.pid}~1~`);
  const names = ['packed-refs.lock', 'HEAD.lock', 'config.lock', 'refs/heads/main.lock'];
  for (const name of names) await writeFile(join(checkout, '.git', name), owner);
  await update(checkout, bundles(upstream));
  await git(checkout, 'pack-refs', '--all');
  const left = await readdir(join(checkout, '.git'));
  expect(left.filter((name) => /lock|tmp/.test(name))).toEqual([]);
});

test('A snapshot whose refs name missing objects is refused, and no ref changes', async () => {
  const { upstream, checkout } = await lab();
  const before = await git(checkout, 'for-each-ref');
  const source = clones(upstream, `${'a'.repeat(40)} refs/tags/z\n`);
  await expect(update(checkout, source)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  expect(await git(checkout, 'for-each-ref')).toBe(before);
});
