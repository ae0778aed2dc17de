/**
 * @needs bash curl tar zstd
 * @one-node-version
 */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { AppProcess } from '../support/app-process.js';
import { cloneWithGit, extract } from '../support/clone.js';
import { expectSameCheckout } from '../support/compare.js';
import { damagePack } from '../support/damage-pack.js';
import { makeDelta } from '../support/delta.js';
import type { AdvertisedRefs } from '../support/faults.js';
import { fsck } from '../support/fsck.js';
import { HOST, type HostApp } from '../support/host-app.js';
import { makePack, type PackEntry } from '../support/hostile-pack.js';
import { expectNothingLeft } from '../support/nothing-left.js';
import { commitBody, objectId, treeBody } from '../support/object-id.js';
import { ObjectList } from '../support/object-list.js';
import { ownRepository } from '../support/own-repository.js';
import { expectProblem, expectServed } from '../support/problem.js';
import { seededBytes } from '../support/random.js';
import { readPack } from '../support/read-pack.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { execute, git } from '../support/run.js';
import { listen } from '../support/service-events.js';

const repository = ownRepository();
const { directory, defer } = repository;
const GONE = 'ab'.repeat(20);

let app: HostApp;

beforeAll(async () => {
  app = await repository.sharedApp({ limits: { maxFiles: 100_000 } });
});

/** Gives the test's repository this content. */
function serve(content: { pack: Uint8Array; refs: AdvertisedRefs }): void {
  repository.upstream.fault(repository.path, { kind: 'replace-pack', ...content });
}

async function gitClones(): Promise<boolean> {
  const target = join(await directory(), 'clone');
  const { code } = await execute('git', ['clone', '--quiet', repository.url, target]);
  return code === 0;
}

/** The snapshot is what git clone gives. */
async function expectAsCloned(): Promise<void> {
  const { url, path } = repository;
  const [snapshot, clone] = [join(await directory(), 'a'), join(await directory(), 'b')];
  await extract(app.snapshotUrl(path), snapshot);
  await cloneWithGit(url, clone);
  await expectSameCheckout(snapshot, clone, { originUrl: url });
  expect(await fsck(snapshot)).toEqual(await fsck(clone));
}

type MakeRefs = (objects: ObjectList, head: string) => Record<string, string>;

describe('A repository with refs that git refuses', () => {
  const cases: [name: string, make: MakeRefs][] = [
    ['HEAD at a tag', (o, head) => ({ HEAD: o.tag(head), 'refs/heads/main': o.tag(head) })],
    ['HEAD at a blob', (o) => ({ HEAD: o.blob(), 'refs/heads/main': o.blob() })],
    ['HEAD at a tree', (o) => ({ HEAD: o.tree(), 'refs/heads/main': o.tree() })],
    ['a branch at nothing', () => ({ 'refs/heads/gone': GONE })],
    ['a tag at nothing', () => ({ 'refs/tags/gone': GONE })],
    ['a tag of nothing', (o) => ({ 'refs/tags/gone': o.tag(GONE) })],
    ['a malformed tag', (o) => ({ 'refs/tags/bad': o.add('tag', 'what is this\n') })],
    ['a malformed commit at HEAD', (o) => ({ HEAD: o.add('commit', 'tree what\n') })],
    ['a branch below a branch', (_, head) => ({ 'refs/heads/a': head, 'refs/heads/a/b': head })],
    ['a malformed id', () => ({ 'refs/heads/a': 'zz' })],
    ['a space in a name', (_, head) => ({ 'refs/heads/a b': head })],
  ];

  test.each(cases)('is refused, as by git: %s', async (_name, make) => {
    const objects = new ObjectList();
    const head = objects.soundCommit();
    serve(objects.pack(head, make(objects, head)));
    await expectProblem(app.snapshotUrl(repository.path), 'UPSTREAM_INVALID');
    expect(await app.router.service.statStored(repository.snapshot)).toBeUndefined();
    expect(await gitClones()).toBe(false);
  });
});

describe('A repository with refs that are odd but harmless', () => {
  const names = (...all: string[]): MakeRefs => {
    return (_, head) => Object.fromEntries(all.map((name) => [name, head]));
  };
  const cases: [name: string, make: MakeRefs][] = [
    ['names that git ignores', names('refs/heads/a..b', 'refs/heads/../../config', 'refs/heads/')],
    [
      'other names that git ignores',
      names('refs/heads/a~1', 'refs/heads/b.lock', 'refs/heads/c\x01'),
    ],
    ['names outside of refs', names('config', 'objects/x', 'FETCH_HEAD', 'refs')],
    ['names for a shell', names('refs/heads/$(x)`y`', `refs/heads/a"b'c`, 'refs/heads/-x')],
    ['a branch called HEAD', names('refs/heads/HEAD')],
    ['long names', names(`refs/heads/${'x'.repeat(300)}`, `refs/heads/${'y/'.repeat(2000)}z`)],
    ['names beside each other', names('refs/heads/a', 'refs/heads/a-b', 'refs/heads/ab/c')],
    ['a branch at a tag', (o, head) => ({ 'refs/heads/a': o.tag(head) })],
    ['a branch at a blob', (o) => ({ 'refs/heads/a': o.blob() })],
    ['a tag of a tag of a tree', (o) => ({ 'refs/tags/a': o.tag(o.tag(o.tree(), 'tree'), 'tag') })],
    ['tags at a tree and a blob', (o) => ({ 'refs/tags/a': o.tree(), 'refs/tags/b': o.blob() })],
  ];

  test.each(cases)('is served as git clones it: %s', async (_name, make) => {
    const objects = new ObjectList();
    const head = objects.soundCommit();
    serve(objects.pack(head, make(objects, head)));
    await expectAsCloned();
  });

  test('is served as git clones it: no branch at all', async () => {
    const objects = new ObjectList();
    const { pack, refs } = objects.pack(objects.soundCommit());
    serve({ pack, refs: { HEAD: refs.HEAD } });
    await expectAsCloned();
  });
});

test('A repository whose pack has each object twice is served', async () => {
  const objects = new ObjectList();
  const sent = objects.pack(objects.soundCommit());
  const entries = readPack(sent.pack).map(({ offset, length }): PackEntry => {
    return { type: 'raw', bytes: sent.pack.subarray(offset, offset + length) };
  });
  serve({ ...sent, pack: makePack([...entries, ...entries]) });
  const snapshot = join(await directory(), 'snapshot');
  await extract(app.snapshotUrl(repository.path), snapshot);
  expect(await fsck(snapshot)).toEqual([]);
  expect(await git(snapshot, 'status', '--porcelain')).toBe('');
});

test('A repository that packs a converted file and the attributes for it as deltas is checked out as by git', async () => {
  const texts = { '.gitattributes': '*.bat text eol=crlf\n', 'run.bat': 'echo one\necho two\n' };
  const entries: PackEntry[] = [{ type: 'blob', body: 'no more than a base' }];
  for (const text of Object.values(texts)) {
    entries.push({
      type: 'ofs-delta',
      base: 0,
      body: makeDelta(19, text.length, [{ insert: text }]),
    });
  }
  const tree = treeBody(
    Object.entries(texts).map(([name, text]) => [
      '100644',
      name,
      objectId('blob', Buffer.from(text)),
    ]),
  );
  const commit = commitBody(objectId('tree', tree));
  entries.push({ type: 'tree', body: tree }, { type: 'commit', body: commit });
  const head = objectId('commit', commit);
  serve({ pack: makePack(entries), refs: { HEAD: head, 'refs/heads/main': head } });
  await expectAsCloned();
});

describe('A bomb', () => {
  /** `width` times the same tree, `depth` times over. */
  function pile(objects: ObjectList, leaf: string, width: number, depth: number): string {
    let tree = leaf;
    for (let level = 0; level < depth; level++) {
      const below = tree;
      const lines = Array.from({ length: width }, (_, i): [string, string, string] => {
        return ['40000', `d${i}`, below];
      });
      tree = objects.add('tree', treeBody(lines));
    }
    return tree;
  }
  const leaf = (objects: ObjectList) => objects.tree(['100644', 'f', objects.blob()]);

  test.each<[string, 'LIMIT_EXCEEDED' | 'REPOSITORY_INVALID', (o: ObjectList) => string]>([
    ['of files', 'LIMIT_EXCEEDED', (o) => pile(o, leaf(o), 10, 10)],
    ['of empty directories', 'LIMIT_EXCEEDED', (o) => pile(o, o.tree(), 10, 10)],
    ['of wide empty directories', 'LIMIT_EXCEEDED', (o) => pile(o, o.tree(), 1000, 3)],
    ['of one directory in another', 'REPOSITORY_INVALID', (o) => pile(o, leaf(o), 1, 5000)],
    [
      'of one name, over and over',
      'REPOSITORY_INVALID',
      (o) => o.add('tree', Buffer.alloc(24_000_000, `1 a\0${'i'.repeat(20)}`)),
    ],
  ])('%s is refused', async (_name, code, make) => {
    const objects = new ObjectList();
    serve(objects.pack(objects.commit(make(objects))));
    await expectProblem(app.snapshotUrl(repository.path), code);
  });

  test('of ten thousand million files is refused as soon as its few trees are read', async () => {
    const large = await repository.sharedApp({ limits: { maxFiles: 2 ** 31 - 1 } });
    const objects = new ObjectList();
    const empty = objects.blob('');
    const files = objects.tree(['100644', 'f', empty]);
    serve(objects.pack(objects.commit(pile(objects, files, 10, 10))));
    await expectProblem(large.snapshotUrl(repository.path), 'LIMIT_EXCEEDED');
  });

  test('of files that are each made of one long chain of deltas is refused', async () => {
    // A reader keeps half of that in memory, which is less than one of the files.
    const small = await repository.sharedApp({ budgets: { deltaCacheBytes: 1 << 20 } });
    const bytes = 600_000;
    const content = Buffer.alloc(bytes);
    const entries: PackEntry[] = [{ type: 'blob', body: Buffer.from(content) }];
    const lines: [string, string, string][] = [['100644', 'f9999', objectId('blob', content)]];
    for (let n = 1; n < 1400; n++) {
      // Lets the client notice connections that the server closes meanwhile.
      if (n % 10 === 0) await setImmediate();
      const insert = String(n).padStart(8, '0');
      content.write(insert);
      const body = makeDelta(bytes, bytes, [{ insert }, { copy: [8, bytes - 8] }]);
      entries.push({ type: 'ofs-delta', base: n - 1, body });
      lines.push(['100644', `f${9999 - n}`, objectId('blob', content)]);
    }
    const tree = treeBody(lines.reverse());
    const commit = commitBody(objectId('tree', tree));
    entries.push({ type: 'tree', body: tree }, { type: 'commit', body: commit });
    const head = objectId('commit', commit);
    serve({ pack: makePack(entries), refs: { HEAD: head, 'refs/heads/main': head } });
    await expectProblem(small.snapshotUrl(repository.path), 'LIMIT_EXCEEDED');
  });

  test('of 200,000 times the same empty directory is checked out as by git', async () => {
    const large = await repository.sharedApp({ limits: {} });
    const objects = new ObjectList();
    serve(objects.pack(objects.commit(pile(objects, objects.tree(), 200_000, 1))));
    const snapshot = join(await directory(), 'snapshot');
    await extract(large.snapshotUrl(repository.path), snapshot);
    expect(await readdir(snapshot)).toEqual(['.git']);
    expect(await git(snapshot, 'status', '--porcelain')).toBe('');
  });

  test('of files in deep directories is served, as it is only large', async () => {
    const objects = new ObjectList();
    const blob = objects.blob();
    const files = Array.from({ length: 8000 }, (_, i): [string, string, string] => {
      return ['100644', `f${i}`, blob];
    });
    serve(objects.pack(objects.commit(pile(objects, objects.tree(...files), 1, 1300))));
    await expectServed(app.snapshotUrl(repository.path));
  });

  test('of tags of tags is served, as it is only long', async () => {
    const objects = new ObjectList();
    const head = objects.soundCommit();
    const refs: Record<string, string> = {};
    let target = objects.tag(head);
    for (let i = 0; i < 6000; i++) {
      target = objects.tag(target, 'tag');
      refs[`refs/tags/t${i}`] = target;
    }
    serve(objects.pack(head, refs));
    await expectServed(app.snapshotUrl(repository.path));
  });
});

test('A repository with 100,000 refs delays no other request', async () => {
  const objects = new ObjectList();
  const head = objects.soundCommit();
  const refs: Record<string, string> = {};
  for (let i = 0; i < 100_000; i++) refs[`refs/heads/branch-${i}`] = head;
  serve(objects.pack(head, refs));
  const dataDir = await directory();
  const child = await AppProcess.start({
    dataDir,
    upstreamUrl: repository.upstream.url,
    log: join(dataDir, 'events.log'),
  });
  defer(() => child.kill());
  child.order({ kind: 'watch-work' });
  await expectServed(`${child.url}/git/${HOST}/${repository.path}/snapshot.tar.zst`);
  const { longest, yardstick } = await child.work(100_000);
  expect(longest).toBeGreaterThan(0);
  expect(longest).toBeLessThan(yardstick / 3);
});

test('A list of 200,000 refs takes little memory, also when one of them moves', async () => {
  const objects = new ObjectList();
  const head = objects.soundCommit();
  const next = objects.commit(objects.tree(), head);
  const refsOf = (refs: Record<string, string>): AdvertisedRefs => ({
    *[Symbol.iterator]() {
      yield* Object.entries(refs);
      for (let i = 0; i < 200_000; i++) yield [`refs/heads/branch-${i}`, head];
    },
  });
  const dataDir = await directory();
  const child = await AppProcess.start(
    {
      dataDir,
      upstreamUrl: repository.upstream.url,
      log: join(dataDir, 'events.log'),
      freshness: { staleWhileRevalidate: 0, maxAge: 0, checkInterval: 0 },
    },
    // Of each thread. As strings, the names and ids of all refs take a multiple of it.
    ['--max-old-space-size=24'],
  );
  defer(() => child.kill());
  for (const commit of [head, next]) {
    repository.upstream.heal(repository.path);
    const { pack, refs } = objects.pack(commit);
    serve({ pack, refs: refsOf(refs) });
    const url = `${child.url}/git/${HOST}/${repository.path}/snapshot.tar.zst`;
    const answer = await fetch(url);
    expect(answer.headers.get('x-cachew-snapshot-commit')).toBe(commit);
    await answer.arrayBuffer();
  }
});

describe('A mirror that was damaged on disk', () => {
  test('breaks the first connection, is cloned again, and disturbs no other repository', async () => {
    const { path, id, bare } = repository;
    const builder = await RepositoryBuilder.create(bare);
    builder.commit({ files: { 'noise.bin': seededBytes('noise', 4 << 20) } });
    await builder.finish();
    const own = await repository.startApp();
    const { service } = own.router;
    const broken: string[] = [];
    listen(service, 'mirrorCorrupted', ({ error }) => broken.push(error.code));
    const url = own.snapshotUrl(path);
    const whole = await expectServed(url);

    for (const http of ['--http1.1', '--http1.0']) {
      await service.delete(defaultSnapshot(id));
      await damagePack(own.dataDir);
      const format = '%{http_code} %{size_download}';
      const args = ['-sS', http, '-o', '/dev/null', '-w', format, url];
      const { code, stdout } = await execute('curl', args);
      const [status, size] = stdout.split(' ').map(Number);
      expect(status).toBe(200);
      expect(size).toBeGreaterThan(0);
      expect(code).not.toBe(0);
      expect(await service.statStored(defaultSnapshot(id))).toBeUndefined();

      expect((await expectServed(url)).equals(whole)).toBe(true);
    }
    expect(broken).toEqual(['MIRROR_CORRUPTED', 'MIRROR_CORRUPTED']);
    await own.router.close({ drain: true });
    await expectNothingLeft(own.dataDir, repository.upstream);
  });
});

test('Hostile repositories leave nothing unfinished behind', async () => {
  await app.router.close({ drain: true });
  await expectNothingLeft(app.dataDir, repository.upstream);
});
