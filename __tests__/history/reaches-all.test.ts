import { join } from 'node:path';
import { reachesAll } from '../../lib/history/reaches-all.js';
import type { ObjectReader } from '../../lib/pack/reader.js';
import { SeededRandom } from '../support/random.js';
import { execute, git } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { buildRandomHistory } from './random-history.js';
import { openReader, packsOf } from './reading.js';

const { directory, defer } = cleanup(afterAll);
let path: string;
let commits: readonly string[];
let reader: ObjectReader;

beforeAll(async () => {
  path = join(await directory(), 'random.git');
  ({ commits } = await buildRandomHistory(path, 7, 120));
  reader = await openReader(packsOf(path));
  defer(() => reader.close());
});

test('The search finds one commit from another when git merge-base does', async () => {
  const random = new SeededRandom(7);
  const said = new Set<boolean | undefined>();
  for (let i = 0; i < 40; i++) {
    const [tip, target] = [random.pick(commits), random.pick(commits)];
    const args = ['merge-base', '--is-ancestor', target, tip];
    const { code } = await execute('git', args, { cwd: path });
    const answer = reachesAll(reader, [tip], [target], 1000);
    expect({ tip, target, answer }).toEqual({ tip, target, answer: code === 0 });
    said.add(answer);
  }
  expect(said).toEqual(new Set([true, false]));
});

test('The search follows tags and commits, and finds other objects only where it starts', async () => {
  const ids = await git(path, 'rev-parse', 'main', 'nested', 'annotated', 'tree-tag', 'blob');
  const [main = '', nested = '', annotated = '', tree = '', blob = ''] = ids.split('\n');
  expect(reachesAll(reader, [main, nested], [annotated], 1000)).toBe(true);
  expect(reachesAll(reader, [main], [annotated], 1000)).toBe(false);
  expect(reachesAll(reader, [main, blob, tree], [blob, tree, main], 1000)).toBe(true);
  expect(reachesAll(reader, [main], [blob], 1000)).toBe(false);
});

test('The search stops without an answer after a given number of commits', async () => {
  const root = await git(path, 'rev-list', '--max-parents=0', 'main');
  const tip = await git(path, 'rev-parse', 'main');
  const target = root.split('\n').slice(-1);
  expect(reachesAll(reader, [tip], target, 5)).toBeUndefined();
  expect(reachesAll(reader, [tip], target, 1000)).toBe(true);
  expect(reachesAll(reader, [tip], [tip], 0)).toBe(true);
});
