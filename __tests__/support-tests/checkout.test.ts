/**
 * @needs bash curl zstd tar
 * @one-node-version
 */
import { once } from 'node:events';
import { appendFile, chmod, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { cloneWithGit, extract } from '../support/clone.js';
import { expectSameCheckout } from '../support/compare.js';
import { statusReadsNothing } from '../support/first-status.js';
import { fsck } from '../support/fsck.js';
import { buildKitchenSink } from '../support/kitchen-sink.js';
import { git, run, runBinary } from '../support/run.js';
import { buildEmpty } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
let bare: string;
/** Never changed. */
let clone: string;

beforeAll(async () => {
  const root = await shared.directory();
  [bare, clone] = [join(root, 'sink.git'), join(root, 'clone')];
  await buildKitchenSink(bare, { largeBytes: 100 });
  await cloneWithGit(`file://${bare}`, clone);
});

async function again(source = bare): Promise<string> {
  const target = join(await directory(), 'again');
  await cloneWithGit(`file://${source}`, target);
  const url = (await git(target, 'config', 'remote.origin.url')).replace(/\.git$/, '');
  await git(target, 'config', 'remote.origin.url', url);
  return target;
}

describe('expectSameCheckout', () => {
  test('accepts another clone, and the settings of a snapshot', async () => {
    const other = await again();
    await git(other, 'config', 'core.checkStat', 'minimal');
    await git(other, 'config', 'core.trustctime', 'false');
    await git(other, 'gc', '--quiet');
    await expectSameCheckout(other, clone);
    await git(other, 'config', 'remote.origin.url', 'https://example.com/sink');
    await expectSameCheckout(other, clone, { originUrl: 'https://example.com/sink' });
    await expect(expectSameCheckout(other, clone)).rejects.toThrow(/remote\.origin\.url/);
  });

  test('accepts two clones of an empty repository', async () => {
    const empty = join(await directory(), 'empty.git');
    await buildEmpty(empty);
    await expectSameCheckout(await again(empty), await again(empty));
  });

  const changes: [string, (dir: string) => Promise<unknown>, RegExp][] = [
    ['content', (dir) => appendFile(join(dir, 'README.md'), '!'), /files: .*README/],
    ['mode', (dir) => chmod(join(dir, 'bin/tool.sh'), 0o644), /files: .*tool/],
    ['a missing file', (dir) => rm(join(dir, 'empty.txt')), /files: - .*empty/],
    ['an extra file', (dir) => writeFile(join(dir, 'extra'), ''), /files: \+ .*extra/],
    ['a missing directory', (dir) => rm(join(dir, 'vendor/module'), { recursive: true }), /module/],
    [
      'a link',
      async (dir) => {
        await rm(join(dir, 'links/dangling'));
        await symlink('elsewhere', join(dir, 'links/dangling'));
      },
      /files: .*dangling/,
    ],
    ['a tag', (dir) => git(dir, 'tag', '-d', 'nested'), /refs: - refs\/tags\/nested/],
    ['a remote branch', (dir) => git(dir, 'branch', '-rd', 'origin/alone'), /refs: - .*alone/],
    [
      'the default branch',
      (dir) => git(dir, 'remote', 'set-head', 'origin', 'alone'),
      /refs: - refs\/remotes\/origin\/HEAD /,
    ],
    [
      'tracking',
      (dir) => git(dir, 'branch', '--unset-upstream'),
      /refs: - .* refs\/remotes\/origin\/trunk/,
    ],
    ['HEAD', (dir) => git(dir, 'checkout', '--quiet', '--detach'), /status: - # branch.head trunk/],
    ['the index', (dir) => git(dir, 'update-index', '--chmod=+x', 'README.md'), /index: /],
    ['a setting', (dir) => git(dir, 'config', 'core.autocrlf', 'input'), /settings: \+ /],
  ];
  test.each(changes)('rejects a difference: %s', async (_name, change, message) => {
    const other = await again();
    await change(other);
    await expect(expectSameCheckout(other, clone)).rejects.toThrow(message);
  });
});

describe('statusReadsNothing', () => {
  /** What makes a checkout's times trustworthy: files older than the index, in whole seconds. */
  async function settled(): Promise<string> {
    const fresh = await again();
    await git(fresh, 'config', 'core.checkStat', 'minimal');
    await git(fresh, 'config', 'core.trustctime', 'false');
    const script =
      'git ls-files -z | xargs -0 touch -h -d @1600000000 -- && git update-index --refresh';
    await run('sh', ['-c', script], { cwd: fresh });
    return fresh;
  }

  test('passes when the index knows size and time of each file', async () => {
    const fresh = await settled();
    expect(await statusReadsNothing(fresh)).toBeGreaterThan(80);
    expect(await git(fresh, 'status', '--porcelain')).toBe('');
  });

  test('fails when one file has another time', async () => {
    const fresh = await settled();
    await run('touch', ['-d', '@1600000001', join(fresh, 'README.md')]);
    await expect(statusReadsNothing(fresh)).rejects.toThrow(/has read files:\n M README.md/);
  });

  test('fails when git may not trust the times', async () => {
    const fresh = await settled();
    await git(fresh, 'config', 'core.checkStat', 'default');
    await expect(statusReadsNothing(fresh)).rejects.toThrow(/has read files/);
  });

  test('fails when files are not older than the index', async () => {
    const fresh = await settled();
    await run('touch', ['-d', '@1600000000', join(fresh, '.git/index')]);
    await expect(statusReadsNothing(fresh)).rejects.toThrow(/has read files/);
  });
});

test('fsck reports dangling and broken objects', async () => {
  const clone = await again();
  expect(await fsck(clone)).toEqual([]);
  const id = await run('git', ['hash-object', '-w', '--stdin'], { cwd: clone, input: 'dangling' });
  expect(await fsck(clone)).toEqual([`dangling blob ${id.trim()}`]);
  const tree = `100644 blob ${id.trim()}\t.git\n`;
  const bad = await run('git', ['mktree'], { cwd: clone, input: tree });
  expect(await fsck(clone)).toContainEqual(
    expect.stringMatching(new RegExp(`${bad.trim()}: hasDotgit`)),
  );
});

describe('extract', () => {
  /** Answers `/whole` with an archive, `/cut` with the first half of it, anything else with 404. */
  async function serve(archive: Buffer): Promise<string> {
    const bodies = new Map([
      ['/whole', archive],
      ['/cut', archive.subarray(0, archive.length / 2)],
    ]);
    const server = createServer((req, res) => {
      const body = bodies.get(req.url ?? '');
      res.writeHead(body ? 200 : 404).end(body);
    });
    defer(() => server.close());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  }

  test('restores what tar and zstd packed, and fails on anything else', async () => {
    const pack = ['-c', 'tar -C "$1" -cf - . | zstd -q', 'bash', clone];
    const url = await serve(await runBinary('bash', pack));
    const target = join(await directory(), 'target');
    await extract(`${url}/whole`, target);
    await expectSameCheckout(target, clone, { originUrl: `file://${bare}` });
    await expect(extract(`${url}/cut`, target)).rejects.toThrow(/zstd|premature/i);
    await expect(extract(`${url}/none`, target)).rejects.toThrow(/404/);
  });
});
