import { realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { git, run } from '../../support/run.js';
import type { Bench } from '../bench.js';
import { UsageError } from '../command-line.js';
import { describeRepository, type Repository } from './repository.js';

/** The bare repository at a path, or a copy of it that is packed as it must be. */
export async function givenRepository(
  { scope, signal, tell }: Pick<Bench, 'scope' | 'signal' | 'tell'>,
  path: string,
): Promise<Repository> {
  const directory = await bareRepository(path);
  const name = basename(directory).replace(/\.git$/, '');
  const found = await describeRepository(directory, name);
  if (found !== undefined) return found;
  tell(`${name}: is not one pack with a bitmap; making a copy that is`);
  const copy = join(await scope.directory(), `${name}.git`);
  await run('git', ['clone', '--quiet', '--mirror', '--no-local', directory, copy], { signal });
  await run('git', ['repack', '--quiet', '-adb'], { cwd: copy, signal });
  const repacked = await describeRepository(copy, name);
  if (repacked === undefined) throw new UsageError(`${path} cannot be packed into one pack`);
  return repacked;
}

async function bareRepository(path: string): Promise<string> {
  try {
    const directory = await realpath(path);
    if ((await git(directory, 'rev-parse', '--is-bare-repository')) === 'true') return directory;
  } catch (cause) {
    throw new UsageError(`${path} is not a git repository`, { cause });
  }
  throw new UsageError(`${path} is not a bare repository`);
}
