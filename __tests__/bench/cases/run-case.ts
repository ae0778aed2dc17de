import type { Bench } from '../bench.js';
import type { Result } from '../measure/result.js';
import type { Repository } from '../repositories/repository.js';
import { openScope } from '../scope.js';
import { bootstrap } from './bootstrap.js';
import { cold } from './cold.js';
import { generate } from './generate.js';
import { hit } from './hit.js';
import { host } from './host.js';
import { indexPack } from './index-pack.js';
import { memory } from './memory.js';
import { metrics } from './metrics.js';
import type { CaseName } from './names.js';
import { refresh } from './refresh.js';
import { restore } from './restore.js';

type RepositoryCase = (bench: Bench, repository: Repository) => Promise<Result[]>;

const CASES: Record<Exclude<CaseName, 'scale'>, RepositoryCase> = {
  index: indexPack,
  cold,
  generate,
  refresh,
  bootstrap,
  hit,
  metrics,
  // Imported late, because the SDK takes a while to load.
  s3: async (...parameters) => (await import('./s3.js')).s3(...parameters),
  restore,
  host,
  memory,
};

/** Runs a case over a repository and releases all that it took. */
export async function runCase(
  name: Exclude<CaseName, 'scale'>,
  bench: Bench,
  repository: Repository,
): Promise<Result[]> {
  const scope = openScope();
  try {
    return await CASES[name]({ ...bench, scope }, repository);
  } finally {
    await scope.release();
  }
}
