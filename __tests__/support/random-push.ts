import type { SeededRandom } from './random.js';
import { RepositoryBuilder } from './repository-builder.js';
import { execute, git } from './run.js';

/**
 * Makes one random change to a bare repository that has a commit and a branch `main`: a commit, a merge, a new or
 * deleted branch, a push by force, a new, moved or deleted tag, or another default branch.
 *
 * @returns what it was, for messages.
 */
export async function pushAtRandom(directory: string, random: SeededRandom): Promise<string> {
  const refs = (await git(directory, 'for-each-ref', '--format=%(refname)')).split('\n');
  const branches = namesBelow('refs/heads/', refs);
  const tags = namesBelow('refs/tags/', refs);
  const branch = random.pick(branches);
  const other = random.pick(branches);
  const kind = random.below(20);
  if (kind < 8) return await commit(directory, branch, [`refs/heads/${branch}`], random);
  if (kind < 10) {
    const parents = [`refs/heads/${branch}`, `refs/heads/${other}`];
    return await commit(directory, branch, parents, random);
  }
  if (kind < 12) {
    const name = `topic/${random.below(1000)}`;
    return await commit(directory, name, [`refs/heads/${branch}`], random);
  }
  if (kind < 14) return await commit(directory, branch, [`refs/heads/${branch}~1`], random);
  if (kind === 14) return await commit(directory, branch, [], random);
  if (kind < 17 && branch !== (await defaultBranch(directory)) && branches.length > 2) {
    await git(directory, 'update-ref', '-d', `refs/heads/${branch}`);
    return `deleted ${branch}`;
  }
  if (kind === 17) {
    await git(directory, 'symbolic-ref', 'HEAD', `refs/heads/${branch}`);
    return `made ${branch} the default`;
  }
  if (tags.length > 0 && random.below(3) === 0) {
    const tag = random.pick(tags);
    await git(directory, 'update-ref', '-d', `refs/tags/${tag}`);
    return `deleted tag ${tag}`;
  }
  const tag = `v${random.below(8)}`;
  const annotated = random.below(2) === 0 ? ['-a', '-m', `${tag} of ${branch}`] : [];
  await git(directory, 'tag', '-f', ...annotated, tag, branch);
  return `tagged ${branch} as ${tag}`;
}

async function commit(
  directory: string,
  branch: string,
  parents: readonly string[],
  random: SeededRandom,
): Promise<string> {
  const known: string[] = [];
  for (const parent of parents) {
    const { code, stdout } = await execute('git', ['rev-parse', '-q', '--verify', parent], {
      cwd: directory,
    });
    if (code === 0 && !known.includes(stdout.trim())) known.push(stdout.trim());
  }
  const builder = await RepositoryBuilder.open(directory);
  const lines = Array.from({ length: 1 + random.below(40) }, () => `${random.below(1e9)}\n`);
  builder.commit({
    branch,
    parents: known,
    message: `change ${random.below(1e9)}\n`,
    files: {
      [`d${random.below(4)}/f${random.below(20)}.txt`]: lines.join(''),
      'always.txt': `${random.below(1e9)}\n`,
    },
  });
  await builder.finish({ repack: false });
  return `pushed ${branch} with ${known.length} parents`;
}

function namesBelow(prefix: string, refs: readonly string[]): string[] {
  return refs.flatMap((ref) => (ref.startsWith(prefix) ? ref.slice(prefix.length) : []));
}

async function defaultBranch(directory: string): Promise<string> {
  return (await git(directory, 'symbolic-ref', 'HEAD')).slice('refs/heads/'.length);
}
