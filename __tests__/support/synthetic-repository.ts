import { SeededRandom } from './random.js';
import type { RepackOptions } from './repack.js';
import { type Files, RepositoryBuilder } from './repository-builder.js';

export interface SyntheticOptions extends RepackOptions {
  commits: number;
  /** Files in the last tree, in directories of about fifty. */
  files: number;
  /** The same seed gives the same repository. Default: 1. */
  seed?: number;
}

const WORDS =
  'git pack delta base tree blob ref want have depth window chain object commit branch merge'.split(
    ' ',
  );

/**
 * A repository of text files that grow and change as source code does: later versions are good
 * deltas of earlier ones. Each commit makes about 5 objects; `files` are spread over the first half.
 */
export async function buildSynthetic(
  directory: string,
  { commits, files, seed = 1, ...packing }: SyntheticOptions,
): Promise<void> {
  const random = new SeededRandom(seed);
  const builder = await RepositoryBuilder.create(directory);
  const contents: { path: string; lines: string[] }[] = [];
  const line = () => Array.from({ length: 8 }, () => random.pick(WORDS)).join(' ');

  for (let i = 0; i < commits; i++) {
    const changed: Files = {};
    const due = Math.min(files, Math.ceil((2 * files * (i + 1)) / commits));
    while (contents.length < due) {
      const n = contents.length;
      const file = {
        path: `src/part-${Math.floor(n / 50)}/file-${n}.txt`,
        lines: Array.from({ length: 4 + random.below(40) }, line),
      };
      contents.push(file);
      changed[file.path] = `${file.lines.join('\n')}\n`;
    }
    const file = random.pick(contents);
    file.lines.splice(random.below(file.lines.length), random.below(2), line());
    changed[file.path] = `${file.lines.join('\n')}\n`;
    builder.commit({ files: changed, message: `${line()}\n` });
    if (i % 1000 === 999) builder.tag(`v${(i + 1) / 1000}`, `refs/heads/main`);
  }
  await builder.finish(packing);
}
