/** @one-node-version */
import { inIndexOrder, subtreesInCacheOrder } from '../../lib/checkout/tree-order.js';
import { parseTree } from '../../lib/git/tree.js';
import { rounds, seedOf } from '../support/effort.js';
import { treeBody } from '../support/object-id.js';
import { SeededRandom } from '../support/random.js';

const OID = '0123456789abcdef0123456789abcdef01234567';

type Entry = [mode: string, name: string, oid: string];

/** Names that begin alike, in no order, some of them of directories. */
function randomEntries(random: SeededRandom): Entry[] {
  const name = () =>
    Array.from({ length: 1 + random.below(3) }, () => random.pick([...'a-.0\xff']));
  const names = Array.from({ length: random.below(30) }, () => name().join(''));
  return [...new Set(names)].map((name) => [random.pick(['100644', '40000']), name, OID]);
}

const latin1 = (name: string) => Buffer.from(name).toString('latin1');
const namesIn = (tree: Buffer) => [...parseTree(tree)].map(({ name }) => name);

test('Trees in any order are put into that of the index, and of the trees it caches', () => {
  const random = new SeededRandom(seedOf('orders of trees'));
  for (let round = 0; round < rounds(500, 100_000); round++) {
    const entries = randomEntries(random);
    const tree = treeBody(entries);
    // Characters of latin1 are ordered as their bytes.
    const paths = entries.map(([mode, name]) => latin1(mode === '40000' ? `${name}/` : name));
    const sorted = inIndexOrder(tree);
    expect(namesIn(sorted)).toEqual(paths.sort().map((path) => path.replace(/\/$/, '')));
    expect(inIndexOrder(sorted)).toBe(sorted);
    const directories = entries.filter(([mode]) => mode === '40000');
    expect(namesIn(subtreesInCacheOrder(tree))).toEqual(
      directories
        .map(([, name]) => latin1(name))
        .sort((a, b) => a.length - b.length || (a < b ? -1 : 1)),
    );
  }
});
