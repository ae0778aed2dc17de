import { deflateSync } from 'node:zlib';
import { deltaSize, type Instruction, makeDelta } from './delta.js';
import { makePack, type PackEntry, type PackLies } from './hostile-pack.js';
import { commitBody, objectId, treeBody } from './object-id.js';
import { seededBytes } from './random.js';

export interface HostilePack {
  readonly name: string;
  readonly pack: Buffer;
  /** The refs that the upstream advertises with it. */
  readonly refs: Record<string, string>;
  /**
   * Whether `git clone` accepts it. `either`: that depends on how the bytes fall into the buffer of index-pack;
   * `git index-pack FILE` refuses it.
   */
  readonly git: 'refuses' | 'accepts' | 'either';
}

const BLOB = Buffer.from('the blob that deltas build on\n');
const BLOB_ID = objectId('blob', BLOB);
const TREE = treeBody([['100644', 'file.txt', BLOB_ID]]);
const COMMIT = commitBody(objectId('tree', TREE));
const HEAD = objectId('commit', COMMIT);
const NOBODY = 'ab'.repeat(20);

const REFS = { HEAD, 'refs/heads/main': HEAD };

/** A whole repository, to which each pack below adds something bad. */
const SOUND: PackEntry[] = [
  { type: 'commit', body: COMMIT },
  { type: 'tree', body: TREE },
  { type: 'blob', body: BLOB },
];
/** Position of the blob in `SOUND`. */
const BASE = 2;

/** Packs that are wrong in one way each, and a few odd ones that are right. */
export function hostilePacks(): HostilePack[] {
  return [
    ...wrongFraming(),
    ...wrongEntries(),
    ...wrongBases(),
    ...wrongDeltas(),
    ...incomplete(),
    ...oddButSound(),
  ];
}

/** A sound pack that has a chain of so many deltas, each built on the one before. */
export function deepChain(depth: number): HostilePack {
  const body = (n: number) => Buffer.from(`link ${String(n).padStart(8, '0')}\n`);
  const size = body(0).length;
  const entries: PackEntry[] = [...SOUND, { type: 'blob', body: body(0) }];
  for (let n = 1; n <= depth; n++) {
    const delta = makeDelta(size, size, [{ copy: [0, 5] }, { insert: body(n).subarray(5) }]);
    entries.push({ type: 'ofs-delta', base: entries.length - 1, body: delta });
  }
  return accepted(`a chain of ${depth} deltas`, makePack(entries));
}

function wrongFraming(): HostilePack[] {
  const sound = (lies: PackLies) => makePack(SOUND, lies);
  const whole = makePack(SOUND);
  return [
    refused('no bytes at all', Buffer.alloc(0)),
    refused('half a header', whole.subarray(0, 6)),
    refused('another magic', sound({ magic: 'PUCK' })),
    refused('version 1', sound({ version: 1 })),
    refused('version 4', sound({ version: 4 })),
    refused('one object too few', sound({ count: SOUND.length - 1 })),
    refused('one object too many', sound({ count: SOUND.length + 1 })),
    refused('no object', sound({ count: 0 })),
    refused('4 thousand million objects', sound({ count: 0xffffffff })),
    refused('a wrong trailer', sound({ trailer: Buffer.alloc(20, 7) })),
    refused('half a trailer', whole.subarray(0, -10)),
    refused('the end within an entry', whole.subarray(0, -30)),
    {
      ...refused('garbage after the trailer', sound({ garbage: Buffer.from('garbage') })),
      git: 'either',
    },
  ];
}

function wrongEntries(): HostilePack[] {
  const add = (entry: PackEntry) => makePack([...SOUND, entry]);
  const blob = { type: 'blob', body: 'some content\n' } as const;
  const size = blob.body.length;
  const badChecksum = Buffer.from(deflateSync(blob.body));
  badChecksum.writeUInt8(badChecksum.readUInt8(badChecksum.length - 1) ^ 1, badChecksum.length - 1);
  const dictionary = deflateSync(blob.body, { dictionary: Buffer.from('some content') });
  return [
    refused('type 0', add({ ...blob, typeNumber: 0 })),
    refused('type 5', add({ ...blob, typeNumber: 5 })),
    refused('the same object twice', add({ type: 'blob', body: BLOB })),
    refused('a declared size too small', add({ ...blob, declaredSize: size - 1 })),
    refused('a declared size too large', add({ ...blob, declaredSize: size + 1 })),
    refused('a declared size of 0', add({ ...blob, declaredSize: 0 })),
    refused('a declared size of 2^50', add({ ...blob, declaredSize: 2 ** 50 })),
    refused(
      'a bomb: 1 byte declared, 64 MiB inflated',
      add({ type: 'blob', body: Buffer.alloc(64 << 20), declaredSize: 1 }),
    ),
    refused('noise in place of zlib', add({ ...blob, deflated: seededBytes('noise', 64) })),
    refused('zlib with a wrong checksum', add({ ...blob, deflated: badChecksum })),
    refused('zlib with a preset dictionary', add({ ...blob, deflated: dictionary })),
    refused(
      'zlib without its end',
      add({ ...blob, deflated: deflateSync(blob.body).subarray(0, -6) }),
    ),
    refused('an entry without content', add({ ...blob, deflated: Buffer.alloc(0) })),
  ];
}

function wrongBases(): HostilePack[] {
  const add = (...entries: PackEntry[]) => makePack([...SOUND, ...entries]);
  const same = makeDelta(BLOB.length, BLOB.length, [{ copy: [0, BLOB.length] }]);
  const back = (distance: number): PackEntry => ({
    type: 'ofs-delta',
    base: BASE,
    distance,
    body: same,
  });
  // Each of two objects only as a delta of the other.
  const [one, two] = [Buffer.from('one\n'), Buffer.from('two\n')];
  const turn = (from: Buffer, to: Buffer): PackEntry => ({
    type: 'ref-delta',
    base: objectId('blob', from),
    body: makeDelta(from.length, to.length, [{ insert: to }]),
  });
  return [
    refused('a missing base', add({ type: 'ref-delta', base: NOBODY, body: same })),
    refused('a delta of itself', add(turn(one, one))),
    refused('a cycle of deltas', add(turn(one, two), turn(two, one))),
    refused('a base before the pack', add(back(1_000_000))),
    refused('a base in the header', add(back(makePack(SOUND).length - 20 - 4))),
    refused('a base within another entry', add(back(7))),
    refused('a base at distance 0', add(back(0))),
  ];
}

function wrongDeltas(): HostilePack[] {
  const size = BLOB.length;
  const add = (name: string, body: Buffer) =>
    refused(name, makePack([...SOUND, { type: 'ofs-delta', base: BASE, body }]));
  const delta = (resultSize: number, ...instructions: Instruction[]) =>
    makeDelta(size, resultSize, instructions);
  return [
    add('an empty delta', Buffer.alloc(0)),
    add('a delta of sizes without end', Buffer.alloc(30, 0x80)),
    add('a delta with another base size', makeDelta(size + 1, 4, [{ insert: 'text' }])),
    add('a delta with too large a result', delta(3, { insert: 'text' })),
    add('a delta with too small a result', delta(5, { insert: 'text' })),
    add('a delta with a result of 2^50', delta(2 ** 50, { insert: 'text' })),
    add('a copy beyond the base', delta(size, { copy: [1, size] })),
    add('a copy from beyond the base', delta(4, { copy: [0xffffffff, 4] })),
    add('a copy beyond the result', delta(4, { copy: [0, 5] })),
    add('a copy without its operands', delta(4, { raw: Buffer.of(0xff) })),
    add('an insert without its bytes', delta(4, { raw: Buffer.of(4, 1) })),
    add('the reserved instruction', delta(4, { raw: Buffer.of(0) }, { insert: 'text' })),
    add('a delta without instructions', Buffer.concat([deltaSize(size), deltaSize(4)])),
  ];
}

function incomplete(): HostilePack[] {
  const without = (type: string) => makePack(SOUND.filter((entry) => entry.type !== type));
  return [
    refused('the commit is missing', without('commit')),
    refused('the tree is missing', without('tree')),
    refused('the blob is missing', without('blob')),
    refused('a pack of no objects', makePack([])),
  ];
}

function oddButSound(): HostilePack[] {
  const body = Buffer.from('odd\n');
  const longer = makeDelta(BLOB.length, BLOB.length + body.length, [
    { copy: [0, BLOB.length] },
    { insert: body },
  ]);
  const large = Buffer.alloc(0x10000, 'x');
  const longHeader = Buffer.of(0xb0 | body.length, 0x80, 0x80, 0);
  const odd = (name: string, ...entries: PackEntry[]) => accepted(name, makePack(entries));
  return [
    accepted('version 3', makePack(SOUND, { version: 3 })),
    odd('a base after its delta', { type: 'ref-delta', base: BLOB_ID, body: longer }, ...SOUND),
    odd('an empty blob', ...SOUND, { type: 'blob', body: '' }),
    odd(
      'a copy of 64 KiB',
      ...SOUND,
      { type: 'blob', body: large },
      {
        type: 'ofs-delta',
        base: SOUND.length,
        body: makeDelta(large.length, large.length + body.length, [
          { copy: [0, large.length] },
          { insert: body },
        ]),
      },
    ),
    odd('zlib that only stores', ...SOUND, {
      type: 'blob',
      body,
      deflated: deflateSync(body, { level: 0 }),
    }),
    odd('a size with zeros in front', ...SOUND, {
      type: 'raw',
      bytes: Buffer.concat([longHeader, deflateSync(body)]),
    }),
  ];
}

function refused(name: string, pack: Buffer): HostilePack {
  return { name, pack, refs: REFS, git: 'refuses' };
}

function accepted(name: string, pack: Buffer): HostilePack {
  return { name, pack, refs: REFS, git: 'accepts' };
}
