import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../support/run.js';
import { buildSynthetic, commitsFor } from '../../support/synthetic-repository.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import type { Bench } from '../bench.js';
import { describeRepository, type Repository } from './repository.js';

/** Objects for each file of the last tree, about as in repositories of source code. */
const OBJECTS_PER_FILE = 100;

/** A synthetic history of about `objects` objects; the kept one, if there is one. */
export async function syntheticRepository(
  {
    settings: { seed, keep },
    scope,
    signal,
    tell,
  }: Pick<Bench, 'settings' | 'scope' | 'signal' | 'tell'>,
  objects: number,
): Promise<Repository> {
  const name = `synthetic-${objects}-${seed}`;
  const parent = keep ?? (await scope.directory());
  await mkdir(parent, { recursive: true });
  const directory = join(parent, `${name}.git`);
  const kept = existsSync(directory) ? await describeRepository(directory, name) : undefined;
  if (kept !== undefined) return kept;

  tell(`${name}: being made`);
  const files = Math.ceil(objects / OBJECTS_PER_FILE);
  const unfinished = await temporaryDirectory(parent);
  scope.defer(unfinished.remove);
  const commits = commitsFor(objects, files);
  await buildSynthetic(unfinished.path, { commits, files, seed, repack: false });
  signal.throwIfAborted();
  // fast-import looks for deltas in one place only: without -f, its choice would be kept.
  await run('git', ['repack', '--quiet', '-adfb'], { cwd: unfinished.path, signal });
  await rename(unfinished.path, directory);
  const made = await describeRepository(directory, name);
  if (made === undefined) throw new Error(`${name} is not in one pack`);
  tell(`${name}: ${made.objects} objects, ${(made.packBytes / 1e6).toFixed(1)} MB`);
  return made;
}
