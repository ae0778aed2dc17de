import fc from 'fast-check';
import type { ArtifactId } from '../../lib/artifact/id.js';
import {
  artifactKey,
  checkKey,
  isVariantKey,
  parseArtifactKey,
  refusalKey,
  repositoryPrefix,
} from '../../lib/artifact/key.js';
import type { RepositoryId } from '../../lib/repository.js';

const OID = 'a'.repeat(40);
/** Names that look like the parts of a key. */
const names = fc.constantFrom(
  'a',
  'b',
  'v1',
  'snapshot',
  'snapshot&ref=a',
  'check',
  'bundle&base=a',
);
const repositories: fc.Arbitrary<RepositoryId> = fc.record({
  host: fc.constantFrom('a', 'v1', 'host'),
  path: fc.array(names, { minLength: 1, maxLength: 3 }).map((segments) => segments.join('/')),
});
const refs = fc.constantFrom(
  'a',
  'a/b',
  'depth=1',
  'ref=a',
  'a&ref=b',
  'a&depth=1',
  OID,
  undefined,
);
const ids: fc.Arbitrary<ArtifactId> = fc.oneof(
  fc.record({
    kind: fc.constant('snapshot' as const),
    repository: repositories,
    ref: refs,
    depth: fc.constantFrom(1, 11, undefined),
  }),
  fc.record({
    kind: fc.constant('bundle' as const),
    repository: repositories,
    base: fc.constantFrom(OID, 'b'.repeat(40)),
  }),
);

/** All keys of a store, with what they name. */
const named = fc.oneof(
  ids.map((id) => ({ of: JSON.stringify(id), key: artifactKey(id) })),
  repositories.map((id) => ({ of: `check ${JSON.stringify(id)}`, key: checkKey(id) })),
  repositories.map((id) => ({ of: `refusal ${JSON.stringify(id)}`, key: refusalKey(id) })),
);

test('The key of an artifact tells its id, and the key of another object none', () => {
  fc.assert(fc.property(ids, (id) => expect(parseArtifactKey(artifactKey(id))).toEqual(id)));
  const others = fc.oneof(repositories.map(checkKey), repositories.map(refusalKey), names);
  fc.assert(fc.property(others, (key) => expect(parseArtifactKey(key)).toBeUndefined()));
});

test('Different ids have different keys', () => {
  fc.assert(
    fc.property(fc.array(named, { maxLength: 50 }), (all) => {
      const keys = new Map(all.map(({ of, key }) => [key, of]));
      for (const { of, key } of all) expect(keys.get(key)).toBe(of);
    }),
  );
});

test('A key begins with the prefix of its repository, and only its repository has it as a variant', () => {
  fc.assert(
    fc.property(ids, repositories, (id, other) => {
      const key = artifactKey(id);
      const { repository } = id;
      expect(key.startsWith(repositoryPrefix(repository))).toBe(true);
      const isDefault = id.kind === 'snapshot' && id.ref === undefined && id.depth === undefined;
      expect(isVariantKey(key, repository)).toBe(!isDefault);
      const isOther = repositoryPrefix(other) !== repositoryPrefix(repository);
      if (isOther) expect(isVariantKey(key, other)).toBe(false);
    }),
  );
});
