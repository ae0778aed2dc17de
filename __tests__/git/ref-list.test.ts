import fc from 'fast-check';
import { parsePackedRefs, RefList, RefListBuilder } from '../../lib/git/ref-list.js';
import type { Ref } from '../../lib/git/refs.js';

const [ONE, TWO] = ['1'.repeat(40), '2'.repeat(40)];

/** Names that begin with each other, in latin1. */
const names = fc
  .array(fc.constantFrom('a', 'b', '-', '.x', '/a', '\xe9', '\xff'), { minLength: 1, maxLength: 5 })
  .map((parts) => `refs/heads/x${parts.join('')}`);
const oids = fc.constantFrom(ONE, TWO);
const refs = fc.uniqueArray(
  fc
    .tuple(names, oids, fc.option(oids, { nil: undefined }))
    .map(
      ([name, oid, peeled]): Ref => (peeled === undefined ? { name, oid } : { name, oid, peeled }),
    ),
  { selector: ({ name }) => name, maxLength: 300 },
);
const byName = (a: Ref, b: Ref) => (a.name < b.name ? -1 : 1);

test('A list has the refs that it was made of, in the order of their names', () => {
  fc.assert(
    fc.property(refs, (given) => {
      const list = RefList.of(given);
      const sorted = given.toSorted(byName);
      expect([...list]).toEqual(sorted);
      expect([...list.oids()]).toEqual(sorted.map(({ oid }) => oid));
      expect(list.length).toBe(given.length);
      for (const ref of given) expect(list.find(ref.name)).toEqual(ref);
      expect(list.find('refs/heads/')).toBeUndefined();
      expect(list.find('refs/heads/z')).toBeUndefined();
      expect(list.packed).toEqual(RefList.of(sorted, 1000).packed);
      expect([...parsePackedRefs(list.packed)]).toEqual(sorted);
    }),
    { seed: 1 },
  );
});

test('What another list does not have is found', () => {
  fc.assert(
    fc.property(refs, refs, (some, others) => {
      const missing = some.filter(({ name, oid }) => {
        return !others.some((other) => other.name === name && other.oid === oid);
      });
      expect([...RefList.of(some).notIn(RefList.of(others))]).toEqual(missing.sort(byName));
    }),
    { seed: 1 },
  );
});

test('A file that is not sorted, or begins otherwise, becomes one that is', () => {
  const text = `# pack-refs with: peeled \n${TWO} refs/tags/b\n^${ONE}\n${ONE} refs/heads/a\n`;
  const list = parsePackedRefs(Buffer.from(text));
  const sorted = [
    { name: 'refs/heads/a', oid: ONE },
    { name: 'refs/tags/b', oid: TWO, peeled: ONE },
  ];
  expect([...list]).toEqual(sorted);
  expect(list.packed).toEqual(RefList.of(sorted).packed);
});

test('A name is in a list once', () => {
  for (const all of [
    ['refs/heads/a', 'refs/heads/a'],
    ['refs/heads/a', 'refs/heads/b', 'refs/heads/a'],
  ]) {
    const builder = new RefListBuilder();
    for (const name of all) builder.add(name, ONE);
    expect(builder.build()).toBeUndefined();
    expect(() => RefList.of(all.map((name) => ({ name, oid: ONE })))).toThrow(RangeError);
    const text = all.map((name) => `${ONE} ${name}\n`).join('');
    expect(() => parsePackedRefs(Buffer.from(text))).toThrow('packed-refs is damaged');
  }
});
