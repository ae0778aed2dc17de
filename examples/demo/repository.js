import { Readable } from 'node:stream';
import { generatedHistory, pushedCommit } from './generated-history.js';
import { run } from './programs.js';

const SEED = 1;

/**
 * Makes a bare repository, which is always the same.
 *
 * @param {string} directory does not exist yet.
 * @param {number} commits its size: it has two files for every three commits.
 * @returns {Promise<{ objects: number, push: () => Promise<void> }>} `push` adds a commit to it.
 */
export async function makeRepository(directory, commits, signal) {
  await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', directory], { signal });
  const git = (args, input) => run('git', ['-C', directory, ...args], { signal, input });
  const history = generatedHistory({ commits, files: Math.ceil((commits * 2) / 3), seed: SEED });
  await git(
    ['-c', 'core.compression=1', 'fast-import', '--quiet', '--done'],
    Readable.from(history),
  );
  await git(['repack', '-a', '-d', '-f', '--quiet']);
  const counts = await git(['count-objects', '-v']);
  return {
    objects: Number(/^in-pack: (\d+)$/m.exec(counts)?.[1]),
    async push() {
      await git(['fast-import', '--quiet', '--done'], Readable.from(pushedCommit()));
    },
  };
}
