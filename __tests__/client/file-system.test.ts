import { lstat, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileSystem, renameToFree } from '../../lib/client/file-system.js';
import { cleanup } from '../support/temporary-directory.js';
import { onPosix } from './on-posix.js';
import { extractMembers, type Members } from './tar-members.js';

/*
 * Files and config on file systems and platforms that this machine may not have. Names that are one on
 * macOS and Windows are tried there, and on mounted file systems in `hosts/`.
 */

const { directory, defer } = cleanup(afterEach);

const CONFIG = `[core]
	repositoryformatversion = 0
	filemode = true
	bare = false
	logallrefupdates = true
	checkStat = minimal
	trustctime = false
[remote "origin"]
	url = https://git.example/a/b
`;
const LINUX = { fileModes: true, symlinks: true, foldsCase: false, foldsUnicode: false };
const EXFAT = { fileModes: false, symlinks: false, foldsCase: true, foldsUnicode: false };

/** The config that a restore leaves, without the lines that every config has. */
async function configOf(
  abilities: typeof LINUX,
  platform: NodeJS.Platform,
  config = CONFIG,
): Promise<string> {
  const target = await directory();
  await extractMembers([['.git/config', config]], target, { abilities, platform });
  return await readFile(join(target, '.git/config'), 'utf8');
}

describe('.git/config', () => {
  test('is as in the snapshot where files have modes, links and cases', async () => {
    expect(await configOf(LINUX, 'linux')).toBe(CONFIG);
  });

  test('says on exFAT what git init says there', async () => {
    const expected = CONFIG.replace('filemode = true', 'filemode = false').replace(
      'trustctime = false\n',
      'trustctime = false\n\tsymlinks = false\n\tignorecase = true\n',
    );
    expect(await configOf(EXFAT, 'linux')).toBe(expected);
  });

  test('says on macOS how names are composed', async () => {
    const apfs = { ...LINUX, foldsCase: true, foldsUnicode: true };
    expect(await configOf(apfs, 'darwin')).toContain(
      '\tignorecase = true\n\tprecomposeunicode = true\n',
    );
    expect(await configOf(LINUX, 'darwin')).toContain('\tprecomposeunicode = false\n');
  });

  test('lets git on Windows find long paths, and take links for what they are', async () => {
    expect(await configOf({ ...EXFAT, symlinks: true }, 'win32')).toContain(
      '\tsymlinks = true\n\tignorecase = true\n\tlongpaths = true\n',
    );
  });

  test('keeps no setting that the server made for a file system', async () => {
    const other =
      '[core]\n\tsymlinks = false\n\tIgnoreCase = true\n\tfilemode = false\n[CORE]\n\tsymlinks = false\n';
    expect(await configOf(LINUX, 'linux', other)).toBe('[core]\n\tfilemode = true\n[CORE]\n');
  });

  test('gets a section where it has none', async () => {
    const other = '[remote "origin"]\n\turl = x\n';
    expect(await configOf(LINUX, 'linux', other)).toBe(other);
    expect(await configOf(EXFAT, 'linux', other)).toBe(
      `[core]\n\tfilemode = false\n\tsymlinks = false\n\tignorecase = true\n${other}`,
    );
  });
});

test('Without symlinks, a plain file holds the target, with the time of the index', async () => {
  const target = await directory();
  const members: Members = [
    ['link', '→ sub/file'],
    ['sub/file', 'content'],
  ];
  await extractMembers(members, target, { abilities: { symlinks: false } });
  const stats = await lstat(join(target, 'link'));
  expect([stats.isFile(), stats.mtimeMs]).toEqual([true, 1.5e12]);
  expect(await readFile(join(target, 'link'), 'utf8')).toBe('sub/file');
});

test('What the file system of this directory can do is found out, and nothing is left of it', async () => {
  const place = await directory();
  const { fileModes, symlinks, permissions } = await FileSystem.of(place);
  expect(await readdir(place)).toEqual([]);
  if (process.platform === 'win32') return;
  expect({ fileModes, symlinks, permissions }).toEqual({
    fileModes: true,
    symlinks: true,
    permissions: 0o777 & ~process.umask(),
  });
});

describe('Names that are one on some file systems', () => {
  const members: Members = [
    ['Dir', undefined],
    ['Dir/a', 'a'],
    ['README', 'upper'],
    ['b\u00e9', 'composed'],
    ['be\u0301', 'decomposed'],
    ['dir', undefined],
    ['dir/b', 'b'],
    ['readme', 'lower'],
  ];

  test('are all there where they differ; elsewhere one file stays, and directories are merged', async () => {
    const target = await directory();
    const { foldsCase, foldsUnicode } = await FileSystem.of(target);
    const { collisions } = await extractMembers(members, target);
    const expected = [
      ...(foldsCase ? ['README', 'readme'] : []),
      ...(foldsUnicode ? ['b\u00e9', 'be\u0301'] : []),
    ];
    expect([...collisions].sort()).toEqual(expected.sort());
    const content = (name: string) => readFile(join(target, name), 'utf8');
    expect(await content('README')).toBe(foldsCase ? 'lower' : 'upper');
    expect(await content('b\u00e9')).toBe('composed');
    expect([await content('Dir/a'), await content('dir/b')]).toEqual(['a', 'b']);
  });

  test('are still an error if they are the same in all', async () => {
    for (const path of ['README', 'Dir', 'dir/b']) {
      const twice = [...members, ...members.filter(([name]) => name === path)];
      const extracting = extractMembers(twice, await directory());
      await expect(extracting).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    }
  });

  test('never lead a file through a symlink', async () => {
    const outside = await directory();
    const target = await directory();
    const bait: Members = [
      ['A', `→ ${outside}`],
      ['a/file', 'in the directory'],
    ];
    await extractMembers(bait, target);
    expect(await readdir(outside)).toEqual([]);
    expect(await readFile(join(target, 'a/file'), 'utf8')).toBe('in the directory');
  });
});

describe('Names that Windows can not have', () => {
  const members: Members = [
    ['fine', 'x'],
    ['sub/con', 'x'],
    ['a:b', 'x'],
    ['dot.', 'x'],
    ['link?', '→ fine'],
    ['aux', undefined],
  ];

  test('are an error that names the path', async () => {
    const extracting = extractMembers(members, await directory(), { platform: 'win32' });
    await expect(extracting).rejects.toMatchObject({
      code: 'NAME_UNSUPPORTED',
      message: expect.stringContaining('"sub/con"'),
    });
  });

  test('are skipped on request, and listed', async () => {
    const target = await directory();
    const options = { platform: 'win32', onUnsupported: 'skip' } as const;
    const { skipped } = await extractMembers(members, target, options);
    expect(skipped).toEqual(['sub/con', 'a:b', 'dot.', 'link?', 'aux']);
    expect(await readdir(target)).toEqual(['fine']);
  });

  test('are not skipped in .git', async () => {
    const options = { platform: 'win32', onUnsupported: 'skip' } as const;
    const extracting = extractMembers([['.git/refs/heads/a:b', 'x']], await directory(), options);
    await expect(extracting).rejects.toMatchObject({ code: 'NAME_UNSUPPORTED' });
  });
});

test.each([
  '.git ',
  '.git.',
  '.git . .',
  '.GIT',
  'git~1',
  'GIT~1',
  '.git:$DATA',
  '.git::$INDEX_ALLOCATION',
  '.g\u200cit',
  'sub/.git',
  'a\\.git\\config',
])(
  'A file in %j, which is .git on some file system, is refused on every platform',
  async (name) => {
    for (const platform of ['linux', 'darwin', 'win32'] as const) {
      const options = { platform, onUnsupported: 'skip' } as const;
      const extracting = extractMembers([[`${name}/config`, 'x']], await directory(), options);
      await expect(extracting).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    }
  },
);

test('A name that is too long for every file system is skipped on request', async () => {
  const target = await directory();
  const long = 'n'.repeat(256);
  const members: Members = [
    [long, 'x'],
    [`${long}d/file`, 'x'],
    ['fine', 'x'],
  ];
  const { skipped } = await extractMembers(members, target, { onUnsupported: 'skip' });
  expect(skipped).toEqual([long, `${long}d/file`]);
  expect(await readdir(target)).toEqual(['fine']);
});

test('A path of many long names is restored', async () => {
  const target = await directory();
  const path = `${`${'d'.repeat(200)}/`.repeat(3)}file`; // macOS allows 1023 bytes
  const { skipped } = await extractMembers([[path, 'deep']], target);
  expect(skipped).toEqual([]);
  expect(await readdir(target)).toEqual(['d'.repeat(200)]);
});

onPosix('The umask is honoured: a snapshot is as private as a clone', async () => {
  for (const [umask, modes] of [
    [0o077, [0o700, 0o600, 0o700, 0o400]],
    [0o002, [0o775, 0o664, 0o775, 0o444]],
  ] as const) {
    const before = process.umask(umask);
    defer(() => process.umask(before));
    const target = await directory();
    const members: Members = [
      ['d', undefined],
      ['d/file', 'x'],
      ['d/run', 'x', 0o755],
      ['d/pack', 'x', 0o444],
    ];
    await extractMembers(members, target);
    const names = ['d', 'd/file', 'd/run', 'd/pack'];
    const stats = await Promise.all(names.map((name) => lstat(join(target, name))));
    expect(stats.map(({ mode }) => mode & 0o777)).toEqual(modes);
  }
});

describe('A rename', () => {
  const held = Object.assign(new Error('held'), { code: 'EPERM' });
  /** A rename that fails the first `times` times. */
  const failing = (times: number) => {
    let calls = 0;
    return {
      move: () => (calls++ < times ? Promise.reject(held) : Promise.resolve()),
      calls: () => calls,
    };
  };

  test('waits on Windows while another process has a file open', async () => {
    const { move, calls } = failing(3);
    await renameToFree('from', join(await directory(), 'to'), { platform: 'win32', move });
    expect(calls()).toBe(4);
  });

  test('fails there in the end', async () => {
    const { move } = failing(Number.POSITIVE_INFINITY);
    const options = { platform: 'win32', move, timeout: 20 } as const;
    await expect(renameToFree('from', join(await directory(), 'to'), options)).rejects.toBe(held);
  });

  test('fails at once when its target is taken, and on other platforms', async () => {
    const taken = join(await directory(), 'taken');
    await writeFile(taken, '');
    for (const [to, platform] of [
      [taken, 'win32'],
      [`${taken}-not`, 'linux'],
    ] as const) {
      const { move, calls } = failing(1);
      await expect(renameToFree('from', to, { platform, move })).rejects.toBe(held);
      expect(calls()).toBe(1);
    }
  });
});
