import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { extractSnapshot } from '../../lib/client/index.js';
import { moveChildren } from '../../lib/client/move-children.js';
import { cleanup } from '../support/temporary-directory.js';
import { rawFrame } from './archives.js';
import { tarOfMembers } from './tar-members.js';

const { directory, defer } = cleanup(afterEach);

const ARCHIVE = rawFrame(
  tarOfMembers([
    ['.git/HEAD', 'ref: refs/heads/main\n'],
    ['a', 'a'],
    ['z/file', 'z'],
  ]),
);
const NAMES = ['.git', 'a', 'z'];

async function* archive(): AsyncGenerator<Buffer> {
  yield ARCHIVE;
}

test('An existing directory stays the same one, with its mode', async () => {
  const target = join(await directory(), 'target');
  await mkdir(target, 0o700);
  const before = await stat(target);
  await extractSnapshot(archive(), target);
  const after = await stat(target);
  expect([after.ino, after.mode]).toEqual([before.ino, before.mode]);
  expect((await readdir(target)).sort()).toEqual(NAMES);
});

test('A new directory has the permissions that any new directory has there', async () => {
  const parent = await directory();
  await chmod(parent, 0o2775);
  await mkdir(join(parent, 'other'));
  await extractSnapshot(archive(), join(parent, 'target'));
  const [other, target] = await Promise.all(
    ['other', 'target'].map((name) => stat(join(parent, name))),
  );
  expect(target?.mode).toBe(other?.mode);
});

test('The current directory is a target, in which this process then finds the files', async () => {
  const target = await directory();
  const before = process.cwd();
  defer(() => process.chdir(before));
  process.chdir(target);
  await extractSnapshot(archive(), '.');
  expect((await readdir('.')).sort()).toEqual(NAMES);
  expect(await readFile('z/file', 'utf8')).toBe('z');
  process.chdir(before);
});

test('A failed restore leaves an existing directory empty', async () => {
  const target = await directory();
  const cut = Readable.from([ARCHIVE.subarray(0, -600)]);
  await expect(extractSnapshot(cut, target)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  expect(await readdir(target)).toEqual([]);
});

test('A file that appears in the target during a restore stays, and the restore fails', async () => {
  const target = await directory();
  async function* interrupted() {
    yield ARCHIVE;
    await writeFile(join(target, 'other'), 'mine');
  }
  const extracting = extractSnapshot(interrupted(), target);
  await expect(extracting).rejects.toMatchObject({ code: 'TARGET_NOT_EMPTY' });
  expect(await readdir(target)).toEqual(['other']);
});

test.each([
  ['in an empty target', '.'],
  ['beside a missing target', 'target'],
])('What a killed restore left %s is removed by the next one', async (_, name) => {
  const parent = await directory();
  const target = join(parent, name);
  const host = hostname()
    .replace(/[^A-Za-z0-9.-]/g, '_')
    .slice(0, 64);
  // No process has this number.
  await mkdir(join(parent, `.restore~${host}~4194305~1~0123456789abcdef.tmp/a`), {
    recursive: true,
  });
  await extractSnapshot(archive(), target);
  expect((await readdir(target)).sort()).toEqual(NAMES);
  expect((await readdir(parent)).sort()).toEqual(name === '.' ? NAMES : [name]);
});

test('The entries move into an existing directory with .git as the last, or not at all', async () => {
  for (const taken of ['z', '.git']) {
    const [from, to] = [join(await directory(), 'from'), await directory()];
    for (const name of NAMES) await mkdir(join(from, name), { recursive: true });
    await mkdir(join(to, taken));
    const moving = moveChildren(from, to);
    await expect(moving).rejects.toMatchObject({ code: 'TARGET_NOT_EMPTY' });
    expect((await readdir(from)).sort()).toEqual(NAMES);
    expect(await readdir(to)).toEqual([taken]);
  }
});
