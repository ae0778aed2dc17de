/** @one-node-version */
import { mkdirSync, symlinkSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { verifyPath } from '../../lib/git/path-safety.js';
import { execute, git, runBinary } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);

const PROTECTION = ['-c', 'core.protectHFS=true', '-c', 'core.protectNTFS=true'];

const bytes = (text: string) => Buffer.from(text).toString('latin1');
const words = (text: string) => text.trim().split(/\s+/);

const STEMS = [
  ...words('.git .GIT .gIt .gi git ..git .gitt .git~1 .g\xffit \xef\xbc\x8egit'),
  ...words('git~1 GIT~1 git~2 git~10 git~ gi~1 ~1 \xffgit~1'),
  ...['\u200c', '\u200f', '\u202a', '\u202e', '\u206a', '\u206f', '\ufeff', '\u2010', '\u2069']
    .map(bytes)
    .flatMap((c) => [`${c}.git`, `.${c}g${c}it`, `.git${c}`, `.git${c}x`, `.git${c}modules`]),
  ...words('.gitmodules .GitModules .gitmodule .gitmodulesx .gitattributes .gitignore'),
  ...words('gitmod~1 GITMOD~4 gitmod~5 gitmod~0 gitmod~11 gitmo~1'),
  ...words('gi7eba~1 GI7EBA~9 gi7eba~0 gi7eba~10 gi7ebb~1 gi7eb~10 gi7eb~1a gi7e~123'),
  ...words('gi7~1234 gi~12345 g~123456 ~1234567 ~0234567 ~123456'),
  ...words('aux NUL a:b a* con.txt -rf $x ... x \xff\xfe caf\xe9'),
  ...[' ', '.'],
];
const ENDINGS = [
  ...['', ' ', '. .', ' \\..', ' x'],
  ...words('. : ::$INDEX_ALLOCATION .:x \\ \\x x'),
  // Malformed as UTF-8, or for git.
  ...words('\xff \xe2\x80 \xed\xa0\x80 \xef\xbf\xbe \xc0\xae'),
  ...words('\xc3\xa9 \xef\xbf\xbd'),
];

/** Names of one segment, as latin1. */
const NAMES = [
  ...new Set(
    STEMS.flatMap((stem) => [
      ...ENDINGS.map((ending) => stem + ending),
      `a\\${stem}`,
      `\\\\${stem}.`,
    ]),
  ),
].filter((name) => name !== '.' && name !== '..');

/**
 * The paths that `git update-index` accepts for entries of the index.
 *
 * @param option `--force-remove` for files, which need not exist, `--add` for symbolic links, which
 * must for git to see what they are.
 */
async function acceptedByGit(
  option: '--force-remove' | '--add',
  paths: readonly string[],
  workTree: string,
): Promise<Set<string>> {
  const output = await runBinary(
    'git',
    [...PROTECTION, 'update-index', '--verbose', option, '-z', '--stdin'],
    {
      cwd: workTree,
      env: { GIT_DIR: join(workTree, '../repository'), GIT_WORK_TREE: workTree },
      input: Buffer.from(paths.map((path) => `${path}\0`).join(''), 'latin1'),
    },
  );
  const lines = output.toString('latin1').split('\n');
  return new Set(lines.flatMap((line) => line.match(/^(?:add|remove) '(.*)'$/s)?.[1] ?? []));
}

async function emptyWorkTree(): Promise<string> {
  const parent = await directory();
  await git(parent, 'init', '--quiet', '--bare', 'repository');
  const path = join(parent, 'tree');
  await mkdir(path);
  return path;
}

test('The names of files that git refuses are refused, and no others', async () => {
  const paths = NAMES.flatMap((name) => [name, `a/${name}`, `${name}/a`]);
  const accepted = await acceptedByGit('--force-remove', paths, await emptyWorkTree());
  const ours = paths.filter((path) => verifyPath(path, false) === undefined);
  expect(ours).toEqual(paths.filter((path) => accepted.has(path)));
  expect(paths.length - ours.length).toBeGreaterThan(200);
});

test('The names of symbolic links that git refuses are refused, and no others', async () => {
  const tree = await emptyWorkTree();
  const nested = NAMES.filter((name) => /git\S*mod/i.test(name));
  const place = (path: string) => Buffer.from(`${tree}/${path}`, 'latin1');
  for (const name of NAMES) symlinkSync('target', place(name));
  for (const name of nested) {
    mkdirSync(place(`d/${name}`), { recursive: true });
    symlinkSync('target', place(`d/${name}/link`));
  }
  const paths = NAMES.concat(nested.map((name) => `d/${name}/link`));
  const accepted = await acceptedByGit('--add', paths, tree);
  const ours = paths.filter((path) => verifyPath(path, true) === undefined);
  expect(ours).toEqual(paths.filter((path) => accepted.has(path)));
  const onlyAsFile = ours.filter((path) => verifyPath(path, false) !== undefined);
  expect(onlyAsFile).toEqual([]);
});

test.each(['', '.', '..', 'a/', '/a', 'a//b', 'a/./b', 'a/../b', '../a', '.git/config'])(
  'The path %j is refused, as by git',
  async (path) => {
    const repository = await directory();
    await git(repository, 'init', '--quiet');
    const entry = `100644,${await git(repository, 'hash-object', '-w', '--stdin')},${path}`;
    const { code } = await execute('git', ['update-index', '--add', '--cacheinfo', entry], {
      cwd: repository,
    });
    expect(code).not.toBe(0);
    expect(verifyPath(path, false)).toBeDefined();
  },
);

test('A path with a NUL is refused, and one with a backslash is not', () => {
  expect(verifyPath('a\0b', false)).toBeDefined();
  expect(verifyPath('a\\b', false)).toBeUndefined();
});
