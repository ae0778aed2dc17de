/** @one-node-version */
import { join } from 'node:path';
import { packOfTree } from '../support/hand-made-tree.js';
import { makePack, type PackEntry } from '../support/hostile-pack.js';
import { deepChain, hostilePacks } from '../support/hostile-packs.js';
import { readPack } from '../support/read-pack.js';
import { execute, git, type Outcome, runBinary } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream, type Upstream } from '../support/upstream.js';

const { directory, defer } = cleanup(afterAll);
let upstream: Upstream;

beforeAll(async () => {
  const root = await directory();
  await buildSmall(join(root, 'repo.git'));
  upstream = await startUpstream({ root });
  defer(() => upstream.close());
});

/** Clones from an upstream that sends the pack. */
async function clone(pack: Buffer, refs: Record<string, string>): Promise<Outcome> {
  upstream.heal('repo');
  upstream.fault('repo', { kind: 'replace-pack', pack, refs });
  // By index-pack, as git does it for all but the smallest packs.
  const args = ['-c', 'fetch.unpackLimit=1', 'clone', '-q', `${upstream.url}/repo`, 'clone'];
  return execute('git', args, { cwd: await directory() });
}

const packs = [...hostilePacks(), deepChain(10_000)];

test.each(packs.filter(({ git }) => git !== 'either'))('git $git $name', async (hostile) => {
  const { code, stderr } = await clone(hostile.pack, hostile.refs);
  expect([code === 0 ? 'accepts' : 'refuses', stderr]).toEqual([hostile.git, expect.anything()]);
});

test('packOfTree makes trees that git clones but does not check out', async () => {
  const good = packOfTree([['040000', 'dir', [['100644', 'file', 'text']]]]);
  expect(await clone(good.pack, good.refs)).toMatchObject({ code: 0 });
  const bad = packOfTree([['100644', '.git', 'text']]);
  const { code, stderr } = await clone(bad.pack, bad.refs);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/invalid path '\.git'/);
});

test('makePack writes the pack that readPack has read', async () => {
  const bare = join(await directory(), 'repo.git');
  await buildSmall(bare);
  await git(bare, 'repack', '-adq', '--depth=50');
  const pack = await runBinary('git', ['pack-objects', '--all', '--stdout', '-q'], { cwd: bare });
  const entries = readPack(pack);
  const at = new Map(entries.map(({ offset }, i) => [offset, i]));
  const types = { 1: 'commit', 2: 'tree', 3: 'blob', 4: 'tag' } as const;
  const copies = entries.map(({ typeNumber, base, body, offset, length }): PackEntry => {
    expect(body.length).toBe(entries[at.get(offset) ?? -1]?.declaredSize);
    if (typeof base === 'number') return { type: 'ofs-delta', base: at.get(base) ?? -1, body };
    if (typeof base === 'string') return { type: 'ref-delta', base, body };
    if (!isPlain(typeNumber)) return { type: 'raw', bytes: pack.subarray(offset, offset + length) };
    return { type: types[typeNumber], body };
  });
  const again = readPack(makePack(copies));
  expect(again.map(({ body }) => body)).toEqual(entries.map(({ body }) => body));
  expect(again.map(({ typeNumber }) => typeNumber)).toEqual(entries.map((e) => e.typeNumber));
});

function isPlain(typeNumber: number): typeNumber is 1 | 2 | 3 | 4 {
  return typeNumber >= 1 && typeNumber <= 4;
}
