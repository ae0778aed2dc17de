import { kitchenSinkFiles } from './kitchen-sink-files.js';
import { type RepackOptions, repack } from './repack.js';
import { RepositoryBuilder } from './repository-builder.js';
import { git } from './run.js';

export interface KitchenSinkOptions extends RepackOptions {
  /** Bytes of each of the two large files. Default: 20 MiB. */
  largeBytes?: number;
}

/**
 * A repository with everything that a snapshot may have to hold. Its files are listed in `kitchenSinkFiles`, its
 * history is here. HEAD is `trunk`.
 */
export async function buildKitchenSink(
  directory: string,
  { largeBytes = 20 << 20, ...packing }: KitchenSinkOptions = {},
): Promise<void> {
  const builder = await RepositoryBuilder.create(directory, 'trunk');
  const commit = builder.commit.bind(builder);

  const first = commit({ branch: 'trunk', files: { 'README.md': '# Sink\n', 'old.txt': 'old\n' } });
  const all = commit({
    branch: 'trunk',
    message: 'Grüße: everything\n\nA body, with trailing space \n\n\nand blank lines.\n',
    files: { ...kitchenSinkFiles(largeBytes), 'old.txt': null },
  });
  const left = commit({ branch: 'feature/a/b', parents: [all], files: { 'left.txt': 'left\n' } });
  const right = commit({
    branch: 'release-1.0',
    parents: [all],
    message: '',
    files: { 'right.txt': 'right\n' },
  });
  const alone = commit({ branch: 'alone', parents: [], files: { 'alone.txt': 'no parent\n' } });
  const merge = commit({
    branch: 'trunk',
    message: 'Merge feature\n',
    parents: [all, left],
    files: { 'left.txt': 'left\n' },
  });
  const octopus = commit({
    branch: 'trunk',
    message: 'Merge three at once\n',
    parents: [merge, right, alone],
    files: { 'right.txt': 'right\n', 'alone.txt': 'no parent\n' },
  });
  commit({ branch: 'trunk', message: 'No change\n', parents: [octopus] });
  commit({ branch: 'feature/ünïcode', parents: [merge], files: { 'links/file': 'now a file\n' } });

  builder.ref('refs/heads/same-as-first', first);
  builder.ref('refs/tags/lightweight', merge);
  builder.tag('v1.0', first);
  builder.tag('v2.0', merge, 'Version 2\n\nwith a body\n');
  builder.tag('release/2.0', merge);
  const aside = commit({ branch: 'refs/tags/on-no-branch', parents: [first] });
  // Git hosts have such refs; git clone fetches none of them.
  commit({ branch: 'refs/pull/1/head', parents: [aside], files: { 'pull.txt': 'pull\n' } });
  commit({ branch: 'refs/notes/commits', parents: [], files: { note: 'a note\n' } });
  await builder.finish({ repack: false });

  await git(directory, 'tag', '-a', '-m', 'a tag of a tag', 'nested', 'v2.0');
  await git(directory, 'tag', '-a', '-m', 'a tag of a tag of a tag', 'nested-twice', 'nested');
  await git(directory, 'tag', '-a', '-m', 'a tag of a tree', 'annotated-tree', 'v2.0^{tree}');
  await git(directory, 'tag', '-a', '-m', 'a tag of a blob', 'annotated-blob', 'v2.0:empty.txt');
  await git(directory, 'tag', 'a-tree', 'v1.0^{tree}');
  await git(directory, 'tag', 'a-blob', 'v1.0:old.txt');
  await repack(directory, packing);
}
