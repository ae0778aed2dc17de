import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Header } from 'tar';
import { type RestoreOptions, restoreSnapshot } from '../../lib/client/index.js';
import { cleanup } from '../support/temporary-directory.js';
import { serveArchives } from './archive-server.js';
import { rawFrame } from './archives.js';
import { describeTree } from './describe-tree.js';
import { onPosix } from './on-posix.js';

const { directory, defer } = cleanup(afterEach);

interface Member {
  path: string;
  /** One character. Default: a file. */
  type?: string;
  body?: string;
  linkpath?: string;
  mode?: number;
}

const BLOCK = 512;

function padded(body: string): Buffer {
  const bytes = Buffer.from(body, 'latin1');
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & (BLOCK - 1))]);
}

/** A member with these fields, valid or not. */
function member({
  path,
  type = '0',
  body = '',
  linkpath = '',
  mode = type === '5' ? 0o755 : 0o644,
}: Member): Buffer {
  const block = Buffer.alloc(BLOCK);
  const mtime = new Date(1.5e12);
  new Header({ path, mode, size: body.length, mtime, linkpath }).encode(block);
  block.write(type, 156);
  return Buffer.concat([withChecksum(block), padded(body)]);
}

function withChecksum(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** A pax header for the next member. */
function pax(...records: string[]): Buffer {
  return member({ path: 'pax', type: 'x', body: records.join('') });
}

/** @param content `keyword=value` */
function record(content: string): string {
  let length = content.length + 3;
  while (`${length} ${content}\n`.length !== length) length++;
  return `${length} ${content}\n`;
}

function archiveOf(...members: (Member | Buffer)[]): Buffer {
  const parts = members.map((entry) => (Buffer.isBuffer(entry) ? entry : member(entry)));
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

/** Restores into `parent/target`; `parent/outside` is what an archive may try to reach. */
async function restore(tar: Buffer, options: Partial<RestoreOptions> = {}) {
  const { url, answer } = await serveArchives({ defer });
  answer.body = rawFrame(tar);
  const parent = await directory();
  await mkdir(join(parent, 'outside'));
  await writeFile(join(parent, 'outside/file'), 'untouched');
  const before = await describeTree(join(parent, 'outside'));
  const outcome = await restoreSnapshot({
    url,
    directory: join(parent, 'target'),
    ...options,
  }).then(
    () => 'restored',
    (error: { code: string }) => error.code,
  );
  expect(await describeTree(join(parent, 'outside'))).toEqual(before);
  const expected = outcome === 'restored' ? ['outside', 'target'] : ['outside'];
  expect(await readdir(parent)).toEqual(expected);
  return { outcome, target: join(parent, 'target') };
}

const link = (path: string, linkpath: string): Member => ({ path, type: '2', linkpath });

describe('An archive is refused, and writes nothing outside its target, for', () => {
  test.each<[string, (Member | Buffer)[]]>([
    ['a path that climbs out', [{ path: '../outside/x', body: 'x' }]],
    ['a path that climbs out further on', [{ path: './a/../../outside/x', body: 'x' }]],
    ['a path that climbs and stays inside', [{ path: 'a/../b', body: 'x' }]],
    ['an absolute path', [{ path: '/tmp/x', body: 'x' }]],
    ['an absolute path behind ./', [{ path: './/tmp/x', body: 'x' }]],
    ['the target as a file', [{ path: './', body: 'x' }]],
    ['an empty path', [{ path: '', body: 'x' }]],
    ['an empty segment', [{ path: 'a//b', body: 'x' }]],
    ['a segment that is a dot', [{ path: 'a/./b', body: 'x' }]],
    ['a parent as directory', [{ path: '../outside', type: '5', mode: 0o777 }]],
    ['two dots as directory', [{ path: '..', type: '5', mode: 0o777 }]],
    ['a pax path that climbs out', [pax(record('path=../outside/x')), { path: 'x', body: 'x' }]],
    ['a pax path with NUL', [pax(record('path=a\0b')), { path: 'x', body: 'x' }]],
    ['a pax link target with NUL', [pax(record('linkpath=a\0b')), link('x', 'y')]],
    [
      'a GNU long name that climbs out',
      [
        { path: 'long', type: 'L', body: '../outside/x\0' },
        { path: 'x', body: 'x' },
      ],
    ],
    [
      'a path longer than any system takes',
      [pax(record(`path=${'a/'.repeat(2500)}b`)), { path: 'x' }],
    ],
    ['a file below a symlink', [link('l', '../outside'), { path: 'l/x', body: 'x' }]],
    ['a file below a symlink that follows', [{ path: 'l/x', body: 'x' }, link('l', '../outside')]],
    [
      'a directory in the place of a symlink',
      [link('l', '../outside'), { path: 'l', type: '5', mode: 0o777 }],
    ],
    ['a file in the place of a symlink', [link('l', '../outside/file'), { path: 'l', body: 'x' }]],
    ['a symlink in the place of a file', [{ path: 'l', body: 'x' }, link('l', '../outside/file')]],
    ['a symlink below a symlink', [link('l', '../outside'), link('l/x', 'y')]],
    ['a symlink twice', [link('l', 'a'), link('l', 'b')]],
    ['a symlink to nothing', [link('l', '')]],
    [
      'a file twice',
      [
        { path: 'a', body: '1' },
        { path: './a', body: '2' },
      ],
    ],
    ['a large file twice', [{ path: 'a' }, { path: 'a', body: 'x'.repeat(200_000) }]],
    [
      'a directory twice',
      [
        { path: 'd', type: '5' },
        { path: 'd/', type: '5' },
      ],
    ],
    [
      'a file in the place of a directory',
      [
        { path: 'd', type: '5' },
        { path: 'd', body: 'x' },
      ],
    ],
    ['a symlink in the place of a directory', [{ path: 'd', type: '5' }, link('d', '../outside')]],
    [
      'a file below a file',
      [
        { path: 'a', body: '1' },
        { path: 'a/b', body: '2' },
      ],
    ],
    [
      'a hard link',
      [
        { path: 'a', body: 'x' },
        { path: 'b', type: '1', linkpath: 'a' },
      ],
    ],
    ['a hard link to the outside', [{ path: 'b', type: '1', linkpath: '../outside/file' }]],
    ['a character device', [{ path: 'null', type: '3' }]],
    ['a block device', [{ path: 'disk', type: '4' }]],
    ['a fifo', [{ path: 'pipe', type: '6' }]],
    ['a global pax header', [{ path: 'g', type: 'g', body: record('path=x') }, { path: 'a' }]],
    ['a GNU sparse file', [{ path: 'a', type: 'S' }]],
    ['a pax sparse file', [pax(record('GNU.sparse.major=1')), { path: 'a' }]],
    ['a directory with content', [{ path: 'a', type: '5', body: 'x' }]],
    ['a pax header that overruns', [pax('99 path=x\n'), { path: 'a' }]],
    ['a pax record of no length', [pax('0 path=x\n'), { path: 'a' }]],
    ['a pax record without a value', [pax('8 path\n\n'), { path: 'a' }]],
    ['a pax record without an end', [pax('9 path=ab'), { path: 'a' }]],
    ['a negative pax size', [pax(record('size=-1')), { path: 'a' }]],
    ['a pax size beyond all numbers', [pax(record(`size=${'9'.repeat(30)}`)), { path: 'a' }]],
    ['a pax size beyond the end', [pax(record('size=5000')), { path: 'a', body: 'x' }]],
    ['an impossible time', [pax(record('mtime=9007199254740991')), { path: 'a' }]],
    ['a pax header of many MiB', [pax(record(`comment=${'c'.repeat(2 << 20)}`)), { path: 'a' }]],
    ['a wrong checksum', [member({ path: 'a' }).fill('b', 0, 1)]],
    ['a size that is no number', [withChecksum(member({ path: 'a' }).fill('z', 124, 135))]],
    ['a negative size', [withChecksum(member({ path: 'a' }).fill(0xff, 124, 136))]],
    [
      'a link target that none can have',
      [pax(record(`linkpath=${'t/'.repeat(2500)}`)), link('x', 'y')],
    ],
    ['pax headers without end', [...new Array(9).fill(pax(record('comment=x'))), { path: 'a' }]],
    ['zeros without end', [Buffer.alloc(17 << 20)]],
  ])('%s', async (_, members) => {
    expect((await restore(archiveOf(...members))).outcome).toBe('ARCHIVE_INVALID');
  });
});

const dotGit: Member = { path: '.git', type: '5' };
const config = (body: string): Member => ({ path: '.git/config', body });

describe('An archive that could make git run a program is refused for', () => {
  const hook = { path: '.git/hooks/post-checkout', body: '#!/bin/sh\n', mode: 0o755 };

  test.each<[string, (Member | Buffer)[]]>([
    ['a hook', [dotGit, hook]],
    ['a hook that counts where a file system has no modes', [dotGit, { ...hook, mode: 0o644 }]],
    ['a hook by another case', [dotGit, { ...hook, path: '.git/Hooks/post-checkout' }]],
    ['a hook in a .git of another case', [{ ...hook, path: '.GIT/hooks/post-checkout' }]],
    ['a hook in a .git as HFS+ reads it', [{ ...hook, path: '.g\u200cit/hooks/post-checkout' }]],
    ['a hook in a .git as NTFS shortens it', [{ ...hook, path: 'git~1/hooks/post-checkout' }]],
    ['a hook as a symlink', [dotGit, link('.git/hooks/post-checkout', '../../tool')]],
    ['hooks as a symlink', [dotGit, link('.git/hooks', '../tools')]],
    ['a .git that is a symlink', [link('.git', 'tools')]],
    ['a .git that is a file', [{ path: '.git', body: 'gitdir: tools\n' }]],
    ['a .git further down', [{ path: 'sub/.git/config', body: '[core]\n' }]],
    ['another common directory', [dotGit, { path: '.git/commondir', body: '../tools\n' }]],
    ['a second config', [dotGit, { path: '.git/config.worktree', body: '[core]\n' }]],
    ['hooks of a submodule', [dotGit, { ...hook, path: '.git/modules/sub/hooks/post-checkout' }]],
    ['a config that names a program', [dotGit, config('[core]\n\tfsmonitor = tools/run\n')]],
    ['the same by other letters', [dotGit, config('[CORE]\n\tFSMonitor = tools/run\n')]],
    ['the same in one line', [dotGit, config('[core] fsmonitor = tools/run\n')]],
    ['the same without a space', [dotGit, config('[core]\nfsmonitor=tools/run\n')]],
    [
      'the same behind a line that does not go on',
      [dotGit, config('[core]\n\tbare = \\\\\n\tpager = x\n')],
    ],
    ['a line that goes on', [dotGit, config('[core]\n\tbare = false\\\n\n')]],
    ['a config with an old subsection', [dotGit, config('[remote.origin]\n\turl = x\n')]],
    ['a config that includes another', [dotGit, config('[include]\n\tpath = ../tools/config\n')]],
    [
      'a config that includes on a condition',
      [dotGit, config('[includeIf "gitdir:**"]\n\tpath = x\n')],
    ],
    ['a config with other hooks', [dotGit, config('[core]\n\thooksPath = tools\n')]],
    ['a config with a filter', [dotGit, config('[filter "x"]\n\tsmudge = tools/run\n')]],
    [
      'a config with an upload-pack',
      [dotGit, config('[remote "origin"]\n\tuploadpack = tools/run\n')],
    ],
    ['a config without a section', [dotGit, config('\tbare = false\n')]],
    ['a config with NUL', [dotGit, config('[core]\n\tbare = \0false\n')]],
    ['a config with a mark of byte order', [dotGit, config('\xef\xbb\xbf[core]\n')]],
    [
      'a config that is longer than any',
      [dotGit, config(`[core]\n\tbare = ${'x'.repeat(70_000)}\n`)],
    ],
  ])('%s', async (_, members) => {
    expect((await restore(archiveOf(...members))).outcome).toBe('ARCHIVE_INVALID');
  });

  test('nothing that git clone leaves, sample hooks included', async () => {
    const { outcome } = await restore(
      archiveOf(
        dotGit,
        config(
          '[core]\n\tbare = false\n[remote "origin"]\n\turl = x\n[branch "a\\"b"]\n\tmerge = "a;\\"b"\n',
        ),
        { path: '.git/HEAD', body: 'ref: refs/heads/main\n' },
        { path: '.git/hooks/pre-commit.sample', body: '#!/bin/sh\n', mode: 0o755 },
        { path: '.git/logs/HEAD' },
        { path: '.git/ORIG_HEAD' },
        { path: 'hooks/run', body: '#!/bin/sh\n', mode: 0o755 },
        { path: 'config', body: '[core]\n\tpager = x\n' },
      ),
    );
    expect(outcome).toBe('restored');
  });
});

describe('A restore writes no more than', () => {
  const archive = archiveOf(
    { path: 'd', type: '5' },
    { path: 'd/file', body: 'x'.repeat(1000) },
    link('l', 't'.repeat(50)),
    { path: 'a/b/large', body: 'x'.repeat(200_000) },
  );

  test('maxBytes', async () => {
    const maxBytes = 1000 + 50 + 200_000;
    expect((await restore(archive, { maxBytes })).outcome).toBe('restored');
    expect((await restore(archive, { maxBytes: maxBytes - 1 })).outcome).toBe('LIMIT_EXCEEDED');
  });

  test('maxEntries, with directories that have no entry of their own', async () => {
    expect((await restore(archive, { maxEntries: 6 })).outcome).toBe('restored');
    expect((await restore(archive, { maxEntries: 5 })).outcome).toBe('LIMIT_EXCEEDED');
  });

  test('nothing, if a limit is 0', async () => {
    expect((await restore(archiveOf(), { maxBytes: 0, maxEntries: 0 })).outcome).toBe('restored');
    const oneByte = archiveOf({ path: 'a', body: 'x' });
    expect((await restore(oneByte, { maxBytes: 0 })).outcome).toBe('LIMIT_EXCEEDED');
  });

  test('a limit allows, and refuses a limit that is no whole number', async () => {
    for (const limit of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect((await restore(archive, { maxBytes: limit })).outcome).toBe('INVALID_OPTIONS');
      expect((await restore(archive, { maxEntries: limit })).outcome).toBe('INVALID_OPTIONS');
    }
  });
});

test('An archive with a name that no file can have is refused with a code of its own', async () => {
  const archive = archiveOf(pax(record(`path=${'n'.repeat(256)}`)), { path: 'x' });
  expect((await restore(archive)).outcome).toBe('NAME_UNSUPPORTED');
});

onPosix('Setuid, setgid and sticky bits are not restored', async () => {
  const { target } = await restore(
    archiveOf({ path: 'a', mode: 0o6755 }, { path: 'd', type: '5', mode: 0o1777 }),
  );
  const lines = await describeTree(target);
  expect(lines[1]).toMatch(/^"\.\/a" 100000 755 /);
  expect(lines[2]).toMatch(/^"\.\/d" 40000 755 /);
});

onPosix('Symlinks may point anywhere, and come before their targets', async () => {
  const { target } = await restore(
    archiveOf(link('a', '../outside'), link('b', '/etc'), link('c', 'd'), { path: 'd' }),
  );
  const targets = (await describeTree(target)).flatMap((line) => line.split(' → ').slice(1));
  expect(targets).toEqual(['"../outside"', '"/etc"', '"d"']);
});

onPosix(
  'The last of several names of an entry counts, and a pax name counts more than a ustar name',
  async () => {
    const { target } = await restore(
      archiveOf(
        { path: 'long', type: 'L', body: 'first\0' },
        pax(record('comment=a=b'), record('path=line\nfeed'), record('size=3')),
        { path: 'second', body: 'abc' },
        { path: 'third' },
      ),
    );
    expect((await readdir(target)).sort()).toEqual(['line\nfeed', 'third']);
  },
);
