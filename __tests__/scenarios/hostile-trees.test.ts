/**
 * @needs bash curl tar zstd
 * @one-node-version
 */

import { join } from 'node:path';
import type { SnapshotErrorCode } from '../../lib/index.js';
import { cloneWithGit, extract } from '../support/clone.js';
import { expectSameCheckout } from '../support/compare.js';
import { type HandMadeEntry, packOfTree } from '../support/hand-made-tree.js';
import type { HostApp } from '../support/host-app.js';
import { expectNothingLeft } from '../support/nothing-left.js';
import { ObjectList } from '../support/object-list.js';
import { ownRepository } from '../support/own-repository.js';
import { expectProblem, expectServed } from '../support/problem.js';
import { seededBytes } from '../support/random.js';
import { execute } from '../support/run.js';
import { listen } from '../support/service-events.js';

const repository = ownRepository();
const { directory } = repository;

let app: HostApp;

beforeAll(async () => {
  app = await repository.sharedApp();
});

interface HandMadePack {
  pack: Uint8Array;
  refs: Record<string, string>;
}

/** Gives the test's repository this content. */
function serve({ pack, refs }: HandMadePack): void {
  repository.upstream.fault(repository.path, { kind: 'replace-pack', pack, refs });
}

/** git's verdict with all protections of file systems that have look-alikes of `.git`. */
async function gitClones(): Promise<boolean> {
  const protection = ['-c', 'core.protectHFS=true', '-c', 'core.protectNTFS=true'];
  const target = join(await directory(), 'clone');
  const { code } = await execute('git', [
    ...protection,
    'clone',
    '--quiet',
    repository.url,
    target,
  ]);
  return code === 0;
}

async function expectRefused(code: SnapshotErrorCode): Promise<void> {
  await expectProblem(app.snapshotUrl(repository.path), code);
  expect(await app.router.service.statStored(repository.snapshot)).toBeUndefined();
}

const file = (name: string, mode = '100644'): HandMadeEntry => [mode, name, 'content\n'];
const link = (name: string, target: string): HandMadeEntry => ['120000', name, target];
const folder = (name: string, ...entries: HandMadeEntry[]): HandMadeEntry => [
  '40000',
  name,
  entries.length > 0 ? entries : [file('file.txt')],
];
const nested = (depth: number, name: string): HandMadeEntry => {
  let entry = file('file.txt');
  for (let i = 0; i < depth; i++) entry = folder(name, entry);
  return entry;
};

describe('A tree that git refuses to check out', () => {
  const trees: [name: string, ...HandMadeEntry[]][] = [
    ['.git as a directory', folder('.git', file('config'))],
    ['.git as a file', file('.git')],
    ['.git as a submodule', ['160000', '.git', 'anything']],
    ['.GIT', folder('.GIT')],
    ['git~1', folder('git~1')],
    ['.git with a character that HFS+ ignores', folder('.g\u200cit')],
    ['.git with a trailing space', folder('.git ')],
    ['.git with a trailing dot', folder('.git.')],
    ['.git with a stream', folder('.git::$INDEX_ALLOCATION')],
    ['.git before a backslash', file('.git\\config')],
    ['.git further down', folder('a', folder('b', folder('.git')))],
    ['..', folder('..')],
    ['.', folder('.')],
    ['a slash after ..', file('../outside')],
    ['a slash after .git', file('.git/config')],
    ['a slash in front', file('/etc/outside')],
    ['a symlink .gitmodules', link('.gitmodules', 'file')],
    ['a symlink .gitmodules further down', folder('a', link('.gitmodules', 'file'))],
    ['a symlink GITMOD~1', link('GITMOD~1', 'file')],
    ['a symlink below .gitmodules', folder('.gitmodules', link('link', 'file'))],
    [
      'a symlink below .gitmodules that lies elsewhere, too',
      folder('.git-modules', folder('a', link('link', 'file'))),
      folder('.gitmodules', folder('a', link('link', 'file'))),
    ],
    ['a symlink without a target', link('link', '')],
    ['a symlink whose target is too long', link('link', 't'.repeat(4096))],
    ['a symlink whose target is huge', link('link', 't'.repeat(1 << 20))],
    ['a name that is too long', file('n'.repeat(256))],
    ['a path that is too long', nested(17, 'd'.repeat(250))],
    [
      'a path that is too long at the second place',
      nested(10, 'd'.repeat(250)),
      folder('e'.repeat(250), folder('e'.repeat(250), nested(15, 'd'.repeat(250)))),
    ],
  ];

  test.each(trees)('is refused: one with %s', async (_name, ...entries) => {
    serve(packOfTree(entries));
    await expectRefused('REPOSITORY_INVALID');
    expect(await gitClones()).toBe(false);
  });
});

describe('A tree that git checks out as something else', () => {
  const trees: [name: string, ...HandMadeEntry[]][] = [
    ['a slash in a name', file('a/b')],
    ['two files of one name', file('a'), file('a')],
    ['two directories of one name', folder('a', file('x')), folder('a', file('y'))],
    ['a file and a directory of one name', file('a'), folder('a')],
    ['a file and, further on, a directory of one name', file('a'), file('a-'), folder('a')],
    ['a symlink and a directory of one name', link('a', '.git'), folder('a', file('config'))],
    ['a symlink and a file below it', link('a', '.git'), file('a/config')],
    ['a symlink whose target has a NUL', link('link', 'a\0b')],
  ];

  test.each(trees)('is refused: one with %s', async (_name, ...entries) => {
    serve(packOfTree(entries));
    await expectRefused('REPOSITORY_INVALID');
  });
});

describe('A tree that is odd but harmless', () => {
  const trees: [name: string, ...HandMadeEntry[]][] = [
    ['modes with zeros in front', ['040000', 'a', [file('x', '0100644')]], file('z', '0100755')],
    ['modes of old history', file('a', '100664'), file('b', '100600'), file('c', '100775')],
    ['modes with setuid', file('a', '104755')],
    ['modes of no known type', file('a', '0'), file('b', '060644'), file('c', '77777777777')],
    ['empty directories', file('a'), ['40000', 'b', []], ['40000', 'c', [['40000', 'd', []]]]],
    ['only empty directories', ['40000', 'a', []]],
    ['nothing'],
    ['a wrong order', file('z'), file('a'), folder('m')],
    ['a wrong order of names that begin alike', folder('a'), file('a.b'), file('a-b'), file('ab')],
    ['one directory at several places', folder('a', nested(3, 'x')), folder('b', nested(3, 'x'))],
    ['an empty directory among others', folder('a'), folder('b', ['40000', 'c', []], file('d'))],
    ['directories sorted as files', folder('a'), file('a-b'), file('a.b')],
    ['backslashes, device names and the like', file('a\\b'), file('CON'), file('x:y'), file('z ')],
    ['symlinks to anywhere', link('a', '.git'), link('b', '../../x'), link('c', 't'.repeat(4095))],
    ['a tree of 250 levels', nested(250, 'd')],
  ];

  test.each(trees)('is checked out as by git: one with %s', async (_name, ...entries) => {
    serve(packOfTree(entries));
    const [snapshot, clone] = [join(await directory(), 'a'), join(await directory(), 'b')];
    await extract(app.snapshotUrl(repository.path), snapshot);
    await cloneWithGit(repository.url, clone);
    await expectSameCheckout(snapshot, clone, { originUrl: repository.url });
  });
});

describe('A tree that names an object that is missing or of another type', () => {
  const GONE = 'ab'.repeat(20);
  const cases: [name: string, make: (objects: ObjectList) => string][] = [
    ['a missing file', (o) => o.tree(['100644', 'a', GONE])],
    ['a missing symlink', (o) => o.tree(['120000', 'a', GONE])],
    ['a missing directory', (o) => o.tree(['40000', 'a', GONE])],
    ['a missing .gitattributes', (o) => o.tree(['100644', '.gitattributes', GONE])],
    ['a missing root', () => GONE],
    ['a root that is a blob', (o) => o.blob()],
    ['a symlink that is a tree', (o) => o.tree(['120000', 'a', o.tree(['100644', 'b', o.blob()])])],
    ['a directory that is a blob', (o) => o.tree(['40000', 'a', o.blob()])],
    ['.gitattributes that is a tree', (o) => o.tree(['100644', '.gitattributes', o.tree()])],
    ['a tree that is cut', (o) => o.add('tree', '100644 a\0too short')],
    ['a tree without a NUL', (o) => o.add('tree', '100644 a')],
    ['a mode that is no octal number', (o) => o.tree(['100648', 'a', o.blob()])],
    ['no mode', (o) => o.tree(['', 'a', o.blob()])],
    ['no name', (o) => o.tree(['100644', '', o.blob()])],
  ];

  test.each(cases)('is refused, as by git: one with %s', async (_name, make) => {
    const objects = new ObjectList();
    serve(objects.pack(objects.commit(make(objects))));
    await expectRefused('UPSTREAM_INVALID');
    expect(await gitClones()).toBe(false);
  });
});

describe('A file whose object is no blob', () => {
  const cases: [name: string, make: (objects: ObjectList) => string][] = [
    ['a tree', (o) => o.tree()],
    ['a large tree', (o) => o.add('tree', Buffer.alloc(9 << 20))],
    ['a commit', (o) => o.soundCommit()],
    ['a tag', (o) => o.tag(o.soundCommit())],
  ];

  test.each(cases)('but %s fails a request for a small snapshot', async (_name, make) => {
    const objects = new ObjectList();
    const tree = objects.tree(['100644', 'a', make(objects)]);
    serve(objects.pack(objects.commit(tree)));
    await expectRefused('UPSTREAM_INVALID');
    expect(await gitClones()).toBe(false);
  });

  test.each(cases)(
    'but %s breaks the connection of a larger snapshot that is already being sent',
    async (_name, make) => {
      const objects = new ObjectList();
      const noise = objects.add('blob', seededBytes('noise', 1 << 20));
      const tree = objects.tree(['100644', 'a', noise], ['100644', 'b', make(objects)]);
      serve(objects.pack(objects.commit(tree)));
      const response = await fetch(app.snapshotUrl(repository.path));
      await expect(response.arrayBuffer()).rejects.toThrow('terminated');
      expect(await app.router.service.statStored(repository.snapshot)).toBeUndefined();
      expect(await gitClones()).toBe(false);
    },
  );
});

describe('A tree whose .gitattributes would take minutes to match', () => {
  const lines = Array.from({ length: 1000 }, (_, i) => `*${'a'.repeat(120)}[b]*${i}* text\n`);
  const names = Array.from({ length: 2000 }, (_, i) => `${i}-${'a'.repeat(240)}`);

  test('is refused before anything is sent, and not built again before it has changed', async () => {
    serve(packOfTree([['100644', '.gitattributes', lines.join('')], ...names.map((n) => file(n))]));
    const { router, snapshotUrl } = await repository.startApp({
      limits: { maxAttributeSteps: 50_000_000 },
      freshness: { maxAge: 0, checkInterval: 0, negativeCacheTtl: 3_600_000 },
    });
    let builds = 0;
    listen(router.service, 'build started', () => builds++);
    for (let request = 0; request < 3; request++) {
      await expectProblem(snapshotUrl(repository.path), 'LIMIT_EXCEEDED');
    }
    expect(builds).toBe(1);
    repository.upstream.heal(repository.path);
    serve(packOfTree([file('a')]));
    await expectServed(snapshotUrl(repository.path));
  });
});

test('Hostile trees leave nothing unfinished behind', async () => {
  await app.router.close({ drain: true });
  await expectNothingLeft(app.dataDir, repository.upstream);
});
