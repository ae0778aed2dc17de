import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cloneWithGit } from '../support/clone.js';
import { RepositoryBuilder } from '../support/repository-builder.js';

/** A blob, and the attributes of its line in `.gitattributes`. */
export interface ConversionCase {
  readonly attributes: string;
  readonly blob: Buffer;
}

/** Clones a repository of all these blobs and gives the file of each. */
export async function checkedOutByGit(
  cases: readonly ConversionCase[],
  directory: string,
): Promise<Buffer[]> {
  const builder = await RepositoryBuilder.create(join(directory, 'repository'));
  const groups = [...new Set(cases.map(({ attributes }) => attributes))];
  const paths = cases.map(({ attributes }, i) => `${groups.indexOf(attributes)}/${i}`);
  const rules = groups.map((attributes, i) => [`${i}/.gitattributes`, `* ${attributes}\n`]);
  const blobs = cases.map(({ blob }, i) => [paths[i], blob]);
  builder.commit({ files: Object.fromEntries([...rules, ...blobs]) });
  await builder.finish();
  const clone = join(directory, 'clone');
  await cloneWithGit(builder.directory, clone);
  return paths.map((path) => readFileSync(join(clone, path)));
}
