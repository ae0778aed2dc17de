import { type Commit, RepositoryBuilder } from './repository-builder.js';
import { git } from './run.js';

/** Two commits of three files and a tag on `main`. */
export async function buildSmall(directory: string): Promise<void> {
  const builder = await RepositoryBuilder.create(directory);
  const first = builder.commit({
    files: { 'README.md': '# Small\n', 'src/index.js': 'export {};\n' },
  });
  builder.tag('v1.0.0', first);
  builder.commit({
    files: { 'bin/run.sh': { mode: '100755', content: '#!/bin/sh\necho run\n' } },
  });
  await builder.finish();
}

/** No commits; HEAD names a branch that does not exist yet. */
export async function buildEmpty(directory: string): Promise<void> {
  await git('.', 'init', '--quiet', '--bare', '--initial-branch=trunk', directory);
}

/** HEAD is a commit that no branch ends at. */
export async function buildDetached(directory: string): Promise<void> {
  await buildSmall(directory);
  await git(directory, 'update-ref', '--no-deref', 'HEAD', 'main~1');
}

/** File names that are not UTF-8, as old histories have them (ISO 8859-1). */
export async function buildLatin1Names(directory: string): Promise<void> {
  const builder = await RepositoryBuilder.create(directory);
  builder.commit({ files: { 'caf\udce9.txt': 'latin1\n', 'd\udcefr/file.txt': 'in it\n' } });
  await builder.finish();
}

/**
 * Adds a commit to a branch, which is made if it is not there.
 *
 * @returns the commit's id.
 */
export async function push(directory: string, commit: Commit = {}): Promise<string> {
  const builder = await RepositoryBuilder.open(directory);
  const { branch = 'main', parents } = commit;
  const refs = await git(
    directory,
    'for-each-ref',
    '--format=%(objectname)',
    `refs/heads/${branch}`,
  );
  const tip = refs === '' ? [] : [refs];
  const mark = builder.commit({
    files: { 'pushed.txt': 'pushed\n' },
    ...commit,
    parents: parents ?? tip,
  });
  const id = (await builder.finish({ repack: false })).get(mark);
  if (id === undefined) throw new Error('fast-import gave no id for the commit');
  return id;
}
