/** @one-node-version */
import { join } from 'node:path';
import { planCheckout } from '../../lib/checkout/checkout-plan.js';
import { cachedTrees, walkCheckout } from '../../lib/checkout/tree-walk.js';
import { parseOptions, type WorkLimits, workLimits } from '../../lib/config/options.js';
import { ObjectMemory } from '../../lib/pack/object-memory.js';
import { type GitObject, ObjectReader } from '../../lib/pack/reader.js';
import { ingest } from '../pack/ingesting.js';
import { storePack } from '../pack/stored-pack.js';
import { treeBody } from '../support/object-id.js';
import { ObjectList } from '../support/object-list.js';
import { cleanup } from '../support/temporary-directory.js';

type Entry = [mode: string, name: string, oid: string];

const { directory, defer } = cleanup(afterEach);
const memory = new ObjectMemory(0);
const limits = workLimits(parseOptions({ dataDir: '/unused', hosts: ['git.test'] }));
const UNLIMITED: WorkLimits = {
  ...limits,
  maxFiles: Number.MAX_SAFE_INTEGER,
  maxPathBytes: Number.MAX_SAFE_INTEGER,
};

/** Counts the objects that are read. */
class CountingReader extends ObjectReader {
  reads = 0;

  override read(...args: Parameters<ObjectReader['read']>): GitObject {
    this.reads++;
    return super.read(...args);
  }
}

async function readerOf(objects: ObjectList): Promise<CountingReader> {
  const { pack } = objects.pack(objects.soundCommit());
  const ingested = await ingest(pack);
  const packs = await storePack(await directory(), ingested.name, ingested);
  const reader = new CountingReader([join(packs, ingested.name)], limits, memory);
  defer(() => reader.close());
  return reader;
}

/** A tree with `count` directories, all the same. */
function repeat(objects: ObjectList, count: number, oid: string): string {
  const lines = Array.from({ length: count }, (_, i): Entry => ['40000', `d${i}`, oid]);
  return objects.add('tree', treeBody(lines));
}

test('A thousand million files are counted by reading each of their ten trees once', async () => {
  const objects = new ObjectList();
  let tree = objects.tree(['100644', 'name', objects.blob('1234')]);
  for (let i = 0; i < 9; i++) tree = repeat(objects, 10, tree);
  const reader = await readerOf(objects);
  const plan = planCheckout(reader, tree, UNLIMITED);
  expect(reader.reads).toBe(10);
  const directories = (10 ** 10 - 10) / 9;
  expect(plan.trees.get(tree)).toMatchObject({
    entries: directories + 10 ** 9,
    files: 10 ** 9,
    fileBytes: 4 * 10 ** 9,
    longestPath: 'd0/'.length * 9 + 'name'.length,
  });
});

test('Empty directories are read once, however many there are', async () => {
  const objects = new ObjectList();
  const root = repeat(objects, 50_000, objects.tree());
  const reader = await readerOf(objects);
  const plan = planCheckout(reader, root, UNLIMITED);
  expect([...walkCheckout(reader, plan)]).toEqual([]);
  expect(cachedTrees(reader, plan)).toBeUndefined();
  expect(reader.reads).toBe(3);
});
