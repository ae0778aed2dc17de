import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import { type Bench, compare } from '../bench.js';
import type { Result } from '../measure/result.js';
import { MIRROR, SNAPSHOT } from '../native/pipeline.js';
import { timeScript } from '../native/timed-script.js';
import type { Repository } from '../repositories/repository.js';

/** GET of a repository that was never cloned, in a warm app, against all steps of the native pipeline. */
export async function cold(bench: Bench, repository: Repository): Promise<Result[]> {
  await checkCold(bench, repository);
  const app = await bench.app();
  const path = await bench.upstream.publish(repository);
  const result = await compare(bench, {
    case: 'cold',
    repository,
    reference: 'native',
    sides: {
      async ours() {
        const fresh = await app.newPath(repository);
        const sample = await app.timeDownload(fresh);
        await app.forget(fresh);
        return sample;
      },
      async native() {
        const scratch = await temporaryDirectory();
        bench.scope.defer(scratch.remove);
        const { seconds, cpuSeconds } = await timeScript(
          `${MIRROR}${SNAPSHOT}`,
          [`${bench.upstream.url}/${path}`],
          { cwd: scratch.path, signal: bench.signal },
        );
        await scratch.remove();
        return { seconds, cpuSeconds };
      },
    },
  });
  return [result];
}

/** Asserts, once for a repository, that a cold snapshot is right. Leaves nothing of it in the app. */
export async function checkCold(bench: Bench, repository: Repository): Promise<void> {
  if (bench.checked.has(repository)) return;
  const app = await bench.app();
  bench.tell(`${repository.name}: checking a cold snapshot`);
  const path = await app.newPath(repository);
  const file = join(await bench.scope.directory(), 'snapshot.tar.zst');
  await app.timeDownload(path, file);
  const reference = await bench.reference(repository);
  await reference.expectSnapshot(file, app.originUrl(path));
  bench.checked.add(repository);
  await app.forget(path);
  await rm(file);
}
