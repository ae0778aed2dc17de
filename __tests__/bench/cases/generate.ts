import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bench, compare } from '../bench.js';
import type { Result } from '../measure/result.js';
import { MIRROR, SNAPSHOT } from '../native/pipeline.js';
import { timeScript } from '../native/timed-script.js';
import type { Repository } from '../repositories/repository.js';

/** GET with the mirror there and no snapshot, against what the native pipeline does after its mirror. */
export async function generate(bench: Bench, repository: Repository): Promise<Result[]> {
  const { scope, signal, tell, upstream } = bench;
  const app = await bench.app();
  const path = await app.newPath(repository);
  const url = `${upstream.url}/${path}`;
  const scratch = await scope.directory();
  const inScratch = (script: string) => timeScript(script, [url], { cwd: scratch, signal });

  await app.timeDownload(path);
  await app.deleteSnapshot(path);
  tell(`${repository.name}: checking a snapshot from a ready mirror`);
  const file = join(scratch, 'ours.tar.zst');
  await app.timeDownload(path, file);
  await (await bench.reference(repository)).expectSnapshot(file, app.originUrl(path));
  await rm(file);
  await inScratch(MIRROR);

  const result = await compare(bench, {
    case: 'generate',
    repository,
    reference: 'native',
    sides: {
      async ours() {
        await app.deleteSnapshot(path);
        return await app.timeDownload(path);
      },
      async native() {
        const { seconds, cpuSeconds } = await inScratch(SNAPSHOT);
        await rm(join(scratch, 'snapshot.tar.zst'));
        return { seconds, cpuSeconds };
      },
    },
  });
  await app.forget(path);
  return [result];
}
