/** @needs zstd pzstd tar */
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RestoreProgress, restoreSnapshot } from '../../lib/client/index.js';
import { seededBytes } from '../support/random.js';
import { run, runBinary } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { serveArchives } from './archive-server.js';
import {
  extractWithTar,
  rawFrame,
  tarOf,
  withDigest,
  writeSampleTree,
  zstd,
  zstdFrames,
} from './archives.js';
import { describeTree } from './describe-tree.js';

/** Names over 100 bytes without a slash to divide them, a long link target, a time before 1970. */
const NOT_IN_USTAR = ['nnn*', '*\n*', 'file-fff*', 'directory-3*', './long', 'before-1970'];

const { directory, defer } = cleanup(afterEach);

/** Restores an archive, and extracts it with GNU tar, into two new directories. */
async function restoreBoth(archive: Buffer, chunked = false) {
  const { url, answer } = await serveArchives({ defer });
  Object.assign(answer, { body: archive, chunked });
  const expected = await directory();
  await extractWithTar(archive, expected);
  const restored = join(await directory(), 'restored');
  const result = await restoreSnapshot({ url, directory: restored });
  return { restored, expected, result };
}

describe('A restore writes what GNU tar extracts', () => {
  const formats: Record<string, (tree: string) => Promise<Buffer>> = {
    'GNU tar, one frame': async (tree) => zstd(await tarOf(tree, '--format=gnu'), '-1'),
    'pax, frames in a row': async (tree) =>
      zstdFrames(await tarOf(tree, '--format=posix'), 100_000),
    'ustar headers and raw blocks': async (tree) =>
      rawFrame(await tarOf(tree, '--format=ustar', ...NOT_IN_USTAR.map((n) => `--exclude=${n}`))),
    'pzstd, which adds skippable frames': async (tree) => {
      const input = await tarOf(tree);
      return runBinary('pzstd', ['-q', '-p', '4', '-c'], { input });
    },
  };

  for (const [name, archive] of Object.entries(formats)) {
    for (const chunked of [false, true]) {
      test(`from an archive of ${name}${chunked ? ', sent in chunks' : ''}`, async () => {
        const tree = await directory();
        await writeSampleTree(tree);
        const { restored, expected, result } = await restoreBoth(await archive(tree), chunked);
        const lines = await describeTree(restored);
        expect(lines).toEqual(await describeTree(expected));
        expect(result.files).toBe(lines.filter((line) => !line.includes('" 40000 ')).length);
        expect(result.verified).toBe(false);
      });
    }
  }

  test.each([
    ['compressed', (tar: Buffer) => zstdFrames(tar, 6_000_000)],
    ['stored, as packs are', async (tar: Buffer) => rawFrame(tar)],
  ])('from an archive of a 20 MB file between small ones, %s, with a digest', async (_, pack) => {
    const tree = await directory();
    await writeFile(join(tree, 'a'), 'before\n');
    await writeFile(join(tree, 'b'), seededBytes('large', 20_000_001), { mode: 0o755 });
    await writeFile(join(tree, 'c'), 'after\n');
    await run('touch', ['-d', '@1500000000', 'a', 'b', 'c', '.'], { cwd: tree });
    const archive = withDigest(await pack(await tarOf(tree)));
    const { restored, expected, result } = await restoreBoth(archive);
    expect(await describeTree(restored)).toEqual(await describeTree(expected));
    expect(result).toEqual({
      outcome: 'restored',
      commit: 'c0ffee'.padEnd(40, '0'),
      receivedBytes: archive.length,
      files: 3,
      verified: true,
      collisions: [],
      skipped: [],
    });
  });

  test('under a umask that removes permissions', async () => {
    const tree = await directory();
    await writeSampleTree(tree);
    const archive = await zstd(await tarOf(tree));
    const umask = process.umask(0o077);
    defer(() => process.umask(umask));
    const { restored } = await restoreBoth(archive);
    const modes = (await describeTree(restored)).map((line) => line.replace(/^.*" /, ''));
    expect(modes.filter((line) => !/^(40000|100000) [0-7]00 |^120000 /.test(line))).toEqual([]);
  });

  test('for directories without an entry, and for one whose entry follows its files', async () => {
    const tree = await directory();
    await mkdir(join(tree, 'a/b'), { recursive: true });
    await writeFile(join(tree, 'a/b/file'), '1');
    await mkdir(join(tree, 'later'));
    await writeFile(join(tree, 'later/file'), '2');
    await run('touch', ['-d', '@1500000000', 'later', 'later/file', 'a/b/file'], { cwd: tree });
    const args = ['--no-recursion', '-cf', '-', './a/b/file', './later/file', './later'];
    const tar = await runBinary('tar', args, { cwd: tree });
    const { url, answer } = await serveArchives({ defer });
    answer.body = await zstd(tar);
    const restored = join(await directory(), 'restored');
    await restoreSnapshot({ url, directory: restored });
    const lines = await describeTree(restored);
    const at = 1_500_000_000;
    expect(lines.filter((line) => line.includes(' 40000 '))).toEqual([
      expect.stringMatching(/^"\." 40000 755 /),
      expect.stringMatching(/^"\.\/a" 40000 755 /),
      expect.stringMatching(/^"\.\/a\/b" 40000 755 /),
      `"./later" 40000 755 ${at}`,
    ]);
    expect(lines.filter((line) => line.includes(' 100000 '))).toEqual([
      expect.stringMatching(`^"./a/b/file" 100000 644 ${at} 1 `),
      expect.stringMatching(`^"./later/file" 100000 644 ${at} 1 `),
    ]);
  });

  test('except for fractions of a second, which are cut off', async () => {
    const tree = await directory();
    await writeFile(join(tree, 'file'), '');
    await run('touch', ['-d', '@1500000000.75', 'file', '.'], { cwd: tree });
    const { url, answer } = await serveArchives({ defer });
    answer.body = await zstd(await tarOf(tree, '--format=posix'));
    const restored = join(await directory(), 'restored');
    await restoreSnapshot({ url, directory: restored });
    for (const line of await describeTree(restored)) expect(line).toMatch(/ 1500000000( |$)/);
  });
});

describe('The target directory', () => {
  async function small(): Promise<{ url: string; parent: string }> {
    const tree = await directory();
    await writeFile(join(tree, 'file'), 'content\n');
    const { url, answer } = await serveArchives({ defer });
    answer.body = withDigest(await zstd(await tarOf(tree)));
    return { url, parent: await directory() };
  }

  test('may be an empty directory', async () => {
    const { url, parent } = await small();
    await mkdir(join(parent, 'target'));
    await restoreSnapshot({ url, directory: join(parent, 'target') });
    expect(await readdir(parent)).toEqual(['target']);
    expect(await readdir(join(parent, 'target'))).toEqual(['file']);
  });

  test.each([
    ['itself', 'n'.repeat(256)],
    ['a parent', `missing/${'n'.repeat(256)}/target`],
    ['all of it', 'name/'.repeat(1000)],
  ])('is refused if %s is too long', async (_, name) => {
    const { url, parent } = await small();
    const restoring = restoreSnapshot({ url, directory: join(parent, name) });
    await expect(restoring).rejects.toMatchObject({ code: 'INVALID_OPTIONS' });
    expect(await readdir(parent)).toEqual([]);
  });

  test('may be missing, and its parents as well', async () => {
    const { url, parent } = await small();
    await restoreSnapshot({ url, directory: join(parent, 'a/b/target') });
    expect(await readdir(join(parent, 'a/b'))).toEqual(['target']);
  });

  test('may be a symlink to an empty directory', async () => {
    const { url, parent } = await small();
    await mkdir(join(parent, 'real'));
    await symlink('real', join(parent, 'link'));
    await restoreSnapshot({ url, directory: join(parent, 'link') });
    expect(await readdir(parent)).toEqual(['link', 'real']);
    expect(await readdir(join(parent, 'real'))).toEqual(['file']);
  });

  test.each([
    [
      'a directory with something in it',
      (path: string) => mkdir(join(path, 'x'), { recursive: true }),
    ],
    ['a file', (path: string) => writeFile(path, '')],
    ['a symlink to nowhere', (path: string) => symlink('nowhere', path)],
  ])('is left alone when it is %s', async (_, make) => {
    const { url, parent } = await small();
    const target = join(parent, 'target');
    await make(target);
    const before = (await describeTree(parent)).slice(1);
    await expect(restoreSnapshot({ url, directory: target })).rejects.toMatchObject({
      code: 'TARGET_NOT_EMPTY',
    });
    expect((await describeTree(parent)).slice(1)).toEqual(before);
  });
});

test('Progress is reported at the start, after each MiB and at the end', async () => {
  const tree = await directory();
  await writeFile(join(tree, 'large'), seededBytes('progress', 5 * 1024 * 1024));
  const { url, answer } = await serveArchives({ defer });
  answer.body = await zstd(await tarOf(tree));
  const calls: RestoreProgress[] = [];
  const result = await restoreSnapshot({
    url,
    directory: join(await directory(), 'target'),
    onProgress: (progress) => calls.push(progress),
  });
  const totalBytes = answer.body.length;
  expect(calls[0]).toEqual({ receivedBytes: 0, totalBytes, files: 0 });
  expect(calls.at(-1)).toEqual({ receivedBytes: totalBytes, totalBytes, files: 1 });
  expect(calls.length).toBeGreaterThanOrEqual(6);
  expect(calls.length).toBeLessThanOrEqual(8);
  expect(result).toMatchObject({ receivedBytes: totalBytes, files: 1 });
});
