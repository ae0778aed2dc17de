import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SnapshotService } from '../../lib/index.js';
import { damagePack } from '../support/damage-pack.js';
import type { Fault } from '../support/faults.js';
import {
  counter,
  type FreshRepository,
  freshRepository,
  next,
  read,
} from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import { packOfTree } from '../support/hand-made-tree.js';
import { makePack } from '../support/hostile-pack.js';
import { expectNothingLeft } from '../support/nothing-left.js';
import { commitBody, objectId, treeBody } from '../support/object-id.js';
import { git } from '../support/run.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const AT_ONCE = { maxAge: 0, checkInterval: 0 } as const;
const STRICT = { ...AT_ONCE, mode: 'strict' } as const;
const PLAIN = { failureMemory: 0 } as const;

let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
});

const FAULTS: [what: string, fault: Fault, code: string][] = [
  ['answers 500', { kind: 'status', status: 500 }, 'UPSTREAM_UNREACHABLE'],
  ['answers 404', { kind: 'status', status: 404 }, 'UPSTREAM_NOT_FOUND'],
  ['is no git', { kind: 'not-git' }, 'UPSTREAM_INVALID'],
  [
    'fails to send a pack',
    { kind: 'status', status: 503, on: 'upload-pack' },
    'UPSTREAM_UNREACHABLE',
  ],
  ['cuts the pack', { kind: 'die', after: 30 }, 'UPSTREAM_UNREACHABLE'],
  ['ends the pack early', { kind: 'truncate', after: 30 }, 'UPSTREAM_INVALID'],
  ['stops within the pack', { kind: 'stall', after: 30 }, 'UPSTREAM_TIMEOUT'],
  ['damages the pack', { kind: 'flip', at: 40 }, 'UPSTREAM_INVALID'],
  ['sends a pack with another trailer', { kind: 'wrong-trailer' }, 'UPSTREAM_INVALID'],
];

describe.each(FAULTS)('an upstream that %s', (_what, fault, code) => {
  const limits = { ...PLAIN, stallTimeout: 1500 };

  test('costs nobody what is stored', async () => {
    // Which mode it is makes no difference once a check has failed: half of them each.
    const freshness = code === 'UPSTREAM_UNREACHABLE' ? AT_ONCE : STRICT;
    const service = repository.start({ freshness, limits });
    const old = await read(service, repository.id);
    const mirror = await repository.mirror();
    const refs = await git(mirror, 'for-each-ref');
    const commit = await push(repository.bare);
    repository.upstream.fault(repository.path, fault);

    const failed = next(service, 'refreshFailed');
    expect(await read(service, repository.id)).toEqual({ ...old, source: 'store' });
    expect((await failed)[0].error.code).toBe(code);
    expect((await service.repositories())[0]).toMatchObject({ isCurrent: true, error: { code } });
    expect(await git(mirror, 'for-each-ref')).toBe(refs);
    expect(await fsck(mirror)).toEqual([]);

    repository.upstream.heal(repository.path);
    await service.refresh(repository.id);
    expect((await read(service, repository.id)).commit).toBe(commit);
    expect((await service.repositories())[0]).toMatchObject({ isCurrent: true, error: undefined });
    await service.close({ running: 'wait' });
    expect(await readdir(join(mirror, 'objects/pack'))).toHaveLength(4);
    expect((await readdir(mirror)).filter((name) => name.includes('~'))).toEqual([]);
  });
});

test.each([
  ['info/refs', { kind: 'hang-info-refs' }],
  ['upload-pack', { kind: 'hang-upload-pack' }],
] as const)('an upstream that hangs at %s costs nobody what is stored', async (_what, fault) => {
  const first = repository.start({ freshness: STRICT });
  const old = await read(first, repository.id);
  await first.close({ running: 'wait' });
  await push(repository.bare);
  repository.upstream.fault(repository.path, fault);
  const service = repository.start({ freshness: STRICT, limits: { cloneTimeout: 1000 } });
  await service.started;
  const failed = next(service, 'refreshFailed');
  expect(await read(service, repository.id)).toEqual({ ...old, source: 'store' });
  expect((await failed)[0].error.code).toBe('UPSTREAM_TIMEOUT');
  await service.close();
  await expectNothingLeft(repository.dataDir, repository.upstream);
});

describe('a pack that lacks', () => {
  const tree = treeBody([['100644', 'file', objectId('blob', Buffer.from('lost\n'))]]);

  async function expectRefused(service: SnapshotService, pack: Buffer, head: string) {
    const old = await read(service, repository.id);
    const mirror = await repository.mirror();
    repository.upstream.fault(repository.path, {
      kind: 'replace-pack',
      pack,
      refs: { HEAD: head, 'refs/heads/main': head },
    });
    await expect(service.refresh(repository.id)).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
    });
    expect(await read(service, repository.id)).toEqual({ ...old, source: 'store' });
    expect(await git(mirror, 'rev-parse', 'main')).toBe(old.commit);
    expect(await fsck(mirror)).toEqual([]);
    await service.close({ running: 'wait' });
    await expectNothingLeft(repository.dataDir, repository.upstream);
    expect((await readdir(mirror)).filter((name) => name.includes('~'))).toEqual([]);
  }

  test.each([
    ['a blob', tree, () => []],
    ['a tree', undefined, () => []],
    ['a parent', treeBody([]), () => ['0123456789012345678901234567890123456789']],
  ] as const)('%s is refused', async (_what, body, parents) => {
    const treeId = objectId('tree', body ?? tree);
    const commit = commitBody(treeId, parents());
    const pack = makePack([
      { type: 'commit', body: commit },
      ...(body === undefined ? [] : [{ type: 'tree' as const, body }]),
    ]);
    await expectRefused(
      repository.start({ freshness: STRICT, limits: PLAIN }),
      pack,
      objectId('commit', commit),
    );
  });
});

test('what git refuses to check out is not served, and does not end the service', async () => {
  const service = repository.start({ freshness: AT_ONCE, limits: PLAIN });
  const old = await read(service, repository.id);
  const { pack, refs } = packOfTree([['100644', '.git', 'x']]);
  repository.upstream.fault(repository.path, { kind: 'replace-pack', pack, refs });
  const failed = next(service, 'generationFailed');
  await read(service, repository.id);
  expect((await failed)[0].error.code).toBe('REPOSITORY_INVALID');
  expect((await read(service, repository.id)).etag).toBe(old.etag);
});

test('close during an update leaves nothing behind', async () => {
  const service = repository.start({ freshness: STRICT });
  await read(service, repository.id);
  await push(repository.bare);
  const gate = repository.upstream.gate(repository.path, 20);
  const refresh = service.refresh(repository.id);
  await gate.reached;
  const mirror = await repository.mirror();
  const incoming = async () => (await readdir(mirror)).filter((name) => name.includes('~'));
  expect(await incoming()).toHaveLength(1);
  const [outcome] = await Promise.allSettled([refresh, service.close()]);
  expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'CLOSED' } });
  expect(await incoming()).toEqual([]);
  await expectNothingLeft(repository.dataDir, repository.upstream);
});

test('a mirror that turns out to be damaged is set aside at a refresh, and cloned anew', async () => {
  const service = repository.start({ freshness: STRICT, limits: PLAIN });
  await read(service, repository.id);
  await damagePack(repository.dataDir);
  const broken = counter(service, 'mirrorBroken');
  const commit = await push(repository.bare);
  expect((await read(service, repository.id)).commit).toBe(commit);
  expect(broken()).toBe(1);
  expect(await fsck(await repository.mirror())).toEqual([]);
});

test('a mirror that can not even be opened is cloned anew, which is no failure of the generation', async () => {
  const service = repository.start({ limits: PLAIN });
  const old = await read(service, repository.id);
  await service.delete(repository.id);
  const packs = join(await repository.mirror(), 'objects/pack');
  for (const name of await readdir(packs)) await rm(join(packs, name));
  const broken = counter(service, 'mirrorBroken');
  const failed = counter(service, 'generationFailed');
  expect(await read(service, repository.id)).toEqual(old);
  expect([broken(), failed()]).toEqual([1, 0]);
});
