import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { generatedHistory } from './generated-history.js';
import { run } from './programs.js';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const GENERATED = { commits: 1500, files: 1000, seed: 1 };

/**
 * Puts bare repositories into a directory: this checkout, if it has its whole history, and a
 * generated repository, which is always the same.
 *
 * @returns {Promise<{ name: string, title: string }[]>}
 */
export async function prepareRepositories(directory, { report, signal }) {
  const repositories = [];
  const checkout = join(directory, 'this-checkout');
  if (await copyCheckout(checkout, signal)) {
    repositories.push({ name: 'this-checkout', title: 'This checkout' });
  }
  report.progress('making up a repository');
  await generate(join(directory, 'generated'), signal);
  repositories.push({ name: 'generated', title: 'A generated repository' });
  return Promise.all(
    repositories.map(async (repository) => {
      const objects = await countObjects(join(directory, repository.name), signal);
      return {
        ...repository,
        title: `${repository.title} of ${objects.toLocaleString('en')} objects`,
      };
    }),
  );
}

/** Returns false if the project is not a git checkout with its whole history. */
async function copyCheckout(directory, signal) {
  const git = (...args) => run('git', ['-C', PROJECT, ...args], { signal });
  try {
    // In a directory of another project's checkout, the prefix is not empty.
    const isTop = (await git('rev-parse', '--show-prefix')).trim() === '';
    const isShallow = (await git('rev-parse', '--is-shallow-repository')).trim() === 'true';
    if (!isTop || isShallow) return false;
    await git('rev-parse', '--verify', '--quiet', 'HEAD^{commit}');
    // Cloned by git's transport, which fails if objects are missing, as in a partial clone.
    await git('clone', '--quiet', '--bare', '--no-local', PROJECT, directory);
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}

async function generate(directory, signal) {
  await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', directory], { signal });
  const git = (args, input) => run('git', ['-C', directory, ...args], { signal, input });
  const history = Readable.from(generatedHistory(GENERATED));
  await git(['-c', 'core.compression=1', 'fast-import', '--quiet', '--done'], history);
  await git(['repack', '-a', '-d', '-f', '--quiet']);
}

async function countObjects(directory, signal) {
  const counts = await run('git', ['-C', directory, 'count-objects', '-v'], { signal });
  return (
    Number(/^in-pack: (\d+)$/m.exec(counts)?.[1]) + Number(/^count: (\d+)$/m.exec(counts)?.[1])
  );
}
