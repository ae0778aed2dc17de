import { RepositoryBuilder } from './repository-builder.js';
import { git } from './run.js';

/**
 * A history with all that a selection must tell apart: merges, an octopus, several roots, commits that
 * lead back on ways of different lengths, tags of every kind, and names that occur twice. HEAD is `main`.
 */
export async function buildTangledHistory(directory: string): Promise<void> {
  const builder = await RepositoryBuilder.create(directory);
  const commit = builder.commit.bind(builder);
  const root = commit({ files: { 'README.md': '# Tangled\n', 'src/a.txt': 'a\n' } });
  const second = commit({ parents: [root], files: { 'src/b.txt': 'b\n' } });
  const otherRoot = commit({ branch: 'other-root', parents: [], files: { 'other.txt': 'o\n' } });
  const left = commit({ branch: 'topic/left', parents: [second], files: { 'left.txt': 'l\n' } });
  const long = commit({ branch: 'topic/long', parents: [second], files: { 'long.txt': '1\n' } });
  const longer = commit({ branch: 'topic/long', parents: [long], files: { 'long.txt': '2\n' } });
  const longest = commit({ branch: 'topic/long', parents: [longer], files: { 'long.txt': '3\n' } });
  const merge = commit({ parents: [second, left], files: { 'left.txt': 'l\n' } });
  const octopus = commit({
    message: 'Octopus\n',
    parents: [merge, longest, otherRoot],
    files: { 'long.txt': '3\n', 'other.txt': 'o\n' },
  });
  // The root is one step away from it, and many.
  const shortcut = commit({ branch: 'shortcut', parents: [octopus, root], files: { s: 's\n' } });
  const tip = commit({
    parents: [octopus],
    files: { 'bin/run': { mode: '100755', content: '#!' } },
  });
  const both = commit({ branch: 'both', parents: [left], files: { 'both.txt': 'the branch\n' } });

  builder.tag('v1', second);
  builder.tag('v2', octopus);
  builder.tag('tip', tip);
  builder.tag('both', second);
  builder.ref('refs/tags/light', merge);
  builder.ref('refs/tags/release/light', shortcut);
  builder.ref('refs/heads/at-root', root);
  const aside = commit({
    branch: 'refs/tags/aside',
    parents: [both],
    files: { 'aside.txt': 'x\n' },
  });
  commit({ branch: 'refs/pull/1/head', parents: [aside], files: { 'pull.txt': 'pull\n' } });
  await builder.finish({ repack: false });

  await git(directory, 'tag', '-a', '-m', 'a tag of a tag', 'nested', 'v2');
  await git(directory, 'tag', '-a', '-m', 'a tag of a tag of a tag', 'nested-twice', 'nested');
  await git(directory, 'tag', '-a', '-m', 'a tree', 'annotated-tree', 'main:src');
  await git(directory, 'tag', '-a', '-m', 'a blob', 'annotated-blob', 'main:README.md');
  await git(directory, 'tag', 'a-tree', 'v1^{tree}');
  await git(directory, 'tag', 'a-blob', 'main:long.txt');
  await git(directory, 'repack', '--quiet', '-ad');
}
