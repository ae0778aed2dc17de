/** @one-node-version */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePackedRefs, RefList } from '../../lib/git/ref-list.js';
import { encodeHead, isValidRefName, type Ref, refNameOf } from '../../lib/git/refs.js';
import { buildKitchenSink } from '../support/kitchen-sink.js';
import { execute, git, run } from '../support/run.js';
import { buildEmpty, buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);
const damaged = expect.objectContaining({ name: 'SnapshotError', code: 'MIRROR_CORRUPTED' });
const ONE = '1'.repeat(40);
const TWO = '2'.repeat(40);
/** Names that git takes and that string functions are apt to spoil. */
const ODD_BRANCHES = [
  'end-with-no-break-space\u00a0',
  '\u3000start',
  'line\u2028separator',
  '名前',
  '"]',
  "a'b;c#d",
  '-',
];

describe('isValidRefName', () => {
  const pieces = [
    ...[
      '',
      'a',
      '.',
      '..',
      '...',
      '.a',
      'a.',
      'a.b',
      'a..b',
      '.lock',
      'a.lock',
      'lock',
      '.LOCK',
      'a.lock.b',
    ],
    ...[
      '@',
      '@{',
      'a@{b',
      '{',
      '}',
      '@}',
      'HEAD',
      '-',
      '--',
      '~',
      '^',
      ':',
      '?',
      '*',
      '[',
      ']',
      '\\',
      '/',
    ],
    ...[
      '\x01',
      '\x1f',
      '\x7f',
      '\x80',
      'é',
      '\u00a0',
      '\u2028',
      '名',
      '🚀',
      '$',
      '`',
      '"',
      "'",
      ';',
      '|',
      '&',
      '%00',
    ],
  ];
  const names = new Set(
    pieces.flatMap((a) => [
      `refs/${a}`,
      ...pieces.flatMap((b) => [`refs/${a}/${b}`, `refs/heads/${a}${b}`]),
    ]),
  );

  test('accepts the names that git accepts, and no others', async () => {
    // git warns of each line that is no valid name. It echoes the others, because none of them exists.
    const repository = join(await directory(), 'empty.git');
    await buildEmpty(repository);
    const output = await run('git', ['show-ref', '--exclude-existing'], {
      cwd: repository,
      input: [...names].map((name) => `${name}\n`).join(''),
    });
    const accepted = new Set(output.split('\n'));
    expect(names.size).toBeGreaterThan(2000);
    const ours = [...names].filter(isValidRefName);
    expect(ours.length).toBeGreaterThan(200);
    expect(ours).toEqual([...names].filter((name) => accepted.has(name)));
  });

  test.each([
    'refs/a b',
    'refs/heads/ ',
    'refs/heads/a\tb',
    'refs/heads/a\nb',
    'refs/heads/a\n',
    'refs/x\ry',
    'refs/',
    'refs',
  ])('refuses %j, as git does', async (name) => {
    expect((await execute('git', ['check-ref-format', name])).code).toBe(1);
    expect(isValidRefName(name)).toBe(false);
  });

  test('accepts only full names, and none that is too long for a file system', () => {
    for (const name of ['HEAD', 'main', 'heads/main', '/refs/heads/main', '../refs/heads/x']) {
      expect(isValidRefName(name)).toBe(false);
    }
    expect(isValidRefName(`refs/heads/${'x'.repeat(4085)}`)).toBe(true);
    expect(isValidRefName(`refs/heads/${'x'.repeat(4086)}`)).toBe(false);
    expect(isValidRefName('refs/heads/nul\0')).toBe(false);
  });
});

describe('Packed refs', () => {
  test('are read as git writes them, and written as git writes them', async () => {
    const repository = join(await directory(), 'sink.git');
    await buildKitchenSink(repository, { largeBytes: 10, repack: false });
    for (const branch of ODD_BRANCHES)
      await git(repository, 'update-ref', `refs/heads/${branch}`, 'trunk');
    await git(repository, 'pack-refs', '--all');
    const written = await readFile(join(repository, 'packed-refs'));
    const refs = [...parsePackedRefs(written)];
    expect(RefList.of([...refs].reverse()).packed).toEqual(written);
    expect(refs.filter(({ peeled }) => peeled !== undefined).length).toBeGreaterThan(5);
    const listed = await git(repository, 'for-each-ref', '--format=%(objectname) %(refname)');
    const shown = ({ name }: Ref) => Buffer.from(name, 'latin1').toString();
    expect(refs.map((ref) => `${ref.oid} ${shown(ref)}`).join('\n')).toBe(listed);
    for (const ref of refs) {
      expect(await git(repository, 'rev-parse', `${shown(ref)}^{}`)).toBe(ref.peeled ?? ref.oid);
    }
  });

  test('are sorted by bytes, as git searches them', async () => {
    const repository = join(await directory(), 'small.git');
    await buildSmall(repository);
    const oid = await git(repository, 'rev-parse', 'main');
    // UTF-16 would sort the last two the other way round.
    const branches = ['z', 'a/b', 'a-b', 'a.b', 'B', '\uff5e', '🚀'];
    const names = branches.map((branch) => `refs/heads/${branch}`);
    const refs = names.map((name): Ref => ({ name: refNameOf(name), oid }));
    await writeFile(join(repository, 'packed-refs'), RefList.of(refs).packed);
    for (const name of names)
      expect(await git(repository, 'rev-parse', '--verify', name)).toBe(oid);
    const listed = await git(repository, 'for-each-ref', '--format=%(refname:short)', 'refs/heads');
    expect(listed.split('\n').sort()).toEqual([...branches, 'main'].sort());
  });

  test('may be empty', () => {
    expect([...parsePackedRefs(RefList.of([]).packed)]).toEqual([]);
    expect([...parsePackedRefs(Buffer.alloc(0))]).toEqual([]);
  });

  test.each([
    ['a peeled id without a ref', `^${ONE}\n`],
    ['a short id', `${ONE?.slice(1)} refs/heads/a\n`],
    ['an id in upper case', `${'A'.repeat(40)} refs/heads/a\n`],
    ['no space', `${ONE}\trefs/heads/a\n`],
    ['no name', `${ONE} \n`],
    ['a name that leads elsewhere', `${ONE} refs/heads/../../config\n`],
    ['a name beside refs', `${ONE} HEAD\n`],
    ['a cut line', `${ONE} refs/heads/a\n${TWO.slice(0, 20)}`],
    ['a cut peeled id', `${ONE} refs/tags/a\n^${TWO.slice(0, 20)}`],
  ])('with %s are damaged', (_, text) => {
    expect(() => parsePackedRefs(Buffer.from(text))).toThrow(damaged);
  });
});

test.each(['main', ...ODD_BRANCHES])('HEAD is written as git reads it: %j', async (branch) => {
  const repository = join(await directory(), 'small.git');
  await buildSmall(repository);
  const name = `refs/heads/${branch}`;
  const head = encodeHead({ kind: 'branch', ref: refNameOf(name), oid: TWO });
  await writeFile(join(repository, 'HEAD'), head);
  expect(await git(repository, 'symbolic-ref', 'HEAD')).toBe(name);
  const oid = await git(repository, 'rev-parse', 'main~1');
  await writeFile(join(repository, 'HEAD'), encodeHead({ kind: 'detached', oid }));
  expect(await git(repository, 'rev-parse', 'HEAD')).toBe(oid);
});
