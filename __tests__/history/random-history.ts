import { SeededRandom } from '../support/random.js';
import { git, run } from '../support/run.js';

export interface RandomHistory {
  /** Ids of all commits, in the order in which they were made. */
  readonly commits: readonly string[];
}

const EPOCH = 1_700_000_000;

/**
 * A bare repository with a history of branches, merges of up to four parents, several roots, reverts,
 * empty trees, submodules, and dates that go backwards now and then; and refs to tags of tags, trees and blobs.
 */
export async function buildRandomHistory(
  directory: string,
  seed: number,
  count: number,
): Promise<RandomHistory> {
  const random = new SeededRandom(seed);
  await git('.', 'init', '--quiet', '--bare', directory);
  const lines: string[] = [];
  for (let i = 1; i <= count; i++) {
    const parents = parentsOf(i, random);
    const skew = random.below(6) === 0 ? random.below(40_000) : 0;
    const date = `${EPOCH + i * 60 - skew} +0000`;
    if (parents.length === 0) lines.push('reset refs/heads/main', '');
    lines.push('commit refs/heads/main', `mark :${i}`, `committer C <c@example.com> ${date}`);
    lines.push(`data ${`commit ${i}`.length}`, `commit ${i}`);
    for (const [at, parent] of parents.entries()) {
      lines.push(`${at === 0 ? 'from' : 'merge'} :${parent}`);
    }
    lines.push(...changes(i, random), '');
    if (random.below(8) === 0) lines.push(`reset refs/heads/branch-${i}`, `from :${i}`, '');
  }
  lines.push('done', '');
  const args = ['fast-import', '--quiet', '--done', '--force', '--export-marks=marks'];
  await run('git', args, { cwd: directory, input: lines.join('\n') });
  const marks = await run('cat', ['marks'], { cwd: directory });
  const byMark = new Map(
    marks
      .trim()
      .split('\n')
      .map((line) => [line.slice(1, -41), line.slice(-40)]),
  );
  await git(directory, 'tag', '-a', '-m', 'a tag', 'annotated', 'main~1');
  await git(directory, 'tag', '-a', '-m', 'a tag of a tag', 'nested', 'annotated');
  await git(directory, 'tag', '-a', '-m', 'a tag of a tree', 'tree-tag', 'main^{tree}');
  await run('git', ['hash-object', '-w', '--stdin'], { cwd: directory, input: 'alone\n' });
  const blob = await run('git', ['hash-object', '--stdin'], { cwd: directory, input: 'alone\n' });
  await git(directory, 'tag', 'blob', blob.trim());
  await git(directory, 'repack', '--quiet', '-adfk', '--depth=10');
  return { commits: Array.from({ length: count }, (_, i) => byMark.get(String(i + 1)) ?? '') };
}

function parentsOf(commit: number, random: SeededRandom): number[] {
  if (commit === 1 || random.below(25) === 0) return [];
  const recent = () => Math.max(1, commit - 1 - random.below(random.below(4) === 0 ? 20 : 2));
  const wanted = random.below(4) === 0 ? 2 + random.below(3) : 1;
  return [...new Set(Array.from({ length: wanted }, recent))];
}

function changes(commit: number, random: SeededRandom): string[] {
  if (random.below(30) === 0) return ['deleteall'];
  const lines: string[] = [];
  for (let edits = random.below(4); edits > 0; edits--) {
    const path = `d${random.below(4)}/e${random.below(3)}/f${random.below(5)}`;
    const choice = random.below(12);
    if (choice === 0) lines.push(`D ${path}`);
    else if (choice === 1) lines.push(`M 160000 ${'12'.repeat(20)} module`);
    else if (choice === 2) lines.push(`D d${random.below(4)}`);
    else {
      // Few contents, so that many come back.
      const text =
        choice < 7 ? `content ${random.below(6)}\n` : `${'line\n'.repeat(50)}${commit}\n`;
      lines.push(`M 100644 inline ${path}`, `data ${text.length}`, text);
    }
  }
  return lines;
}
