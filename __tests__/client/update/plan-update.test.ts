import { Readable } from 'node:stream';
import { FileMode } from '../../../lib/checkout/git-index.js';
import type { IndexedFile } from '../../../lib/checkout/read-index.js';
import { planFastForward, planReset } from '../../../lib/client/update/plan-update.js';
import type { TreeFile } from '../../../lib/client/update/tree-changes.js';

const file = (content: string): TreeFile => ({ mode: FileMode.file, oid: content.repeat(40) });
const [A, B, C] = [file('a'), file('b'), file('c')];

function indexOf(staged: TreeFile | undefined, intentToAdd = false) {
  const files = new Map<string, IndexedFile>();
  const stat = {} as IndexedFile['stat'];
  if (staged) files.set('f', { path: 'f', ...staged, stat, assumeValid: false, intentToAdd });
  return { files, unmerged: new Set<string>() };
}

/** The rows of git-read-tree(1), "Two Tree Merge", in which the two trees differ. */
test.each<[string, TreeFile | undefined, TreeFile | undefined, TreeFile | undefined, string]>([
  ['a new file', undefined, undefined, A, 'write'],
  ['a deletion of what is not staged', undefined, A, undefined, 'keep'],
  ['a change of what is not staged', undefined, A, B, 'conflict'],
  ['a new file that is staged so', A, undefined, A, 'keep'],
  ['a new file that is staged otherwise', B, undefined, A, 'conflict'],
  ['a deletion', A, A, undefined, 'remove'],
  ['a deletion of what was changed', B, A, undefined, 'conflict'],
  ['a change', A, A, B, 'write'],
  ['a change that is staged so', B, A, B, 'keep'],
  ['a change of what was changed otherwise', C, A, B, 'conflict'],
  ['another mode', A, A, { ...A, mode: FileMode.executable }, 'write'],
])('With %s, a fast-forward does as git', async (_, staged, before, after, expected) => {
  const changes = Readable.from([{ path: 'f', before, after }]);
  const plan = await planFastForward(indexOf(staged), changes);
  const found = {
    write: plan.writes.has('f'),
    remove: plan.removals.has('f'),
    conflict: plan.conflicts.includes('f'),
  };
  const none = { write: false, remove: false, conflict: false };
  expect(found).toEqual(expected === 'keep' ? none : { ...none, [expected]: true });
});

test('A file of git add --intent-to-add is never overwritten', async () => {
  const changes = Readable.from([{ path: 'f', before: undefined, after: A }]);
  const plan = await planFastForward(indexOf(A, true), changes);
  expect(plan).toMatchObject({ conflicts: ['f'], writes: new Map() });
});

test('A reset writes what differs, and removes what the tree lacks, but no submodule', async () => {
  const { files } = indexOf(A);
  const staged = files.get('f');
  if (staged === undefined) throw new Error('it is there');
  for (const path of ['same', 'changed', 'gone']) files.set(path, { ...staged, path });
  files.set('module', { ...staged, path: 'module', mode: FileMode.gitlink });
  const index = { files, unmerged: new Set(['conflict']) };
  const tree = new Map([
    ['f', B],
    ['same', A],
    ['changed', A],
    ['new', C],
  ]);
  const plan = await planReset(index, tree, (path) => path !== 'changed', undefined);
  expect([...plan.writes.keys()]).toEqual(['f', 'changed', 'new']);
  expect([...plan.removals]).toEqual(['gone', 'conflict']);
  expect([...plan.forgotten]).toEqual(['module']);
});
