import { SeededRandom } from './random.js';
import type { RepackOptions } from './repack.js';
import { type Files, RepositoryBuilder } from './repository-builder.js';

export interface SyntheticOptions extends RepackOptions {
  commits: number;
  /** Files in the last tree, in nested directories of at most `FAN_OUT` entries. */
  files: number;
  /** The same seed gives the same repository. Default: 1. */
  seed?: number;
}

const FAN_OUT = 50;
/** Commits between two annotated tags. */
const TAG_INTERVAL = 1000;
/** Commits that are kept in memory before git gets them. */
const FLUSH_INTERVAL = 250;

const WORDS =
  'git pack delta base tree blob ref want have depth window chain object commit branch merge'.split(
    ' ',
  );

/**
 * A repository of text files that grow and change as source code does: later versions are good
 * deltas of earlier ones, most files are small and a few are large. Each commit changes one file;
 * `files` are spread over the first half. For how many objects that makes see `commitsFor`.
 */
export async function buildSynthetic(
  directory: string,
  { commits, files, seed = 1, ...packing }: SyntheticOptions,
): Promise<void> {
  const random = new SeededRandom(seed);
  const builder = await RepositoryBuilder.create(directory);
  const contents: { path: string; lines: string[] }[] = [];
  const line = () =>
    `${Array.from({ length: 6 }, () => random.pick(WORDS)).join(' ')} ${random.below(1e6)}`;
  const lines = (count: number) => Array.from({ length: count }, line);

  for (let i = 0; i < commits; i++) {
    const changed: Files = {};
    const due = Math.min(files, Math.ceil((2 * files * (i + 1)) / commits));
    while (contents.length < due) {
      const file = {
        path: pathOf(contents.length, files),
        lines: lines(4 + random.below(2 ** (4 + random.below(7)))),
      };
      contents.push(file);
      changed[file.path] = `${file.lines.join('\n')}\n`;
    }
    const file = random.pick(contents);
    for (let edits = 1 + random.below(4); edits > 0; edits--) {
      const at = random.below(file.lines.length);
      file.lines.splice(at, random.below(6), ...lines(1 + random.below(6)));
    }
    changed[file.path] = `${file.lines.join('\n')}\n`;
    builder.commit({ files: changed, message: `${lines(1 + random.below(8)).join('\n')}\n` });
    if (i % TAG_INTERVAL === TAG_INTERVAL - 1) {
      builder.tag(`v${(i + 1) / TAG_INTERVAL}`, 'refs/heads/main');
    }
    if (i % FLUSH_INTERVAL === FLUSH_INTERVAL - 1) await builder.flush();
  }
  await builder.finish(packing);
}

/** How many commits make about so many objects: each a commit, a blob, and the trees above it. */
export function commitsFor(objects: number, files: number): number {
  return Math.max(1, Math.round((objects - files) / (4 + directoryLevels(files))));
}

/** `src/`, a directory for each digit of the number to the base `FAN_OUT`, and the file. */
function pathOf(number: number, files: number): string {
  const names = [`file-${number}.txt`];
  let rest = number;
  for (let level = directoryLevels(files); level > 0; level--) {
    rest = Math.floor(rest / FAN_OUT);
    names.unshift(`part-${rest % FAN_OUT}`);
  }
  return ['src', ...names].join('/');
}

function directoryLevels(files: number): number {
  let levels = 0;
  for (let room = FAN_OUT; room < files; room *= FAN_OUT) levels++;
  return levels;
}
