import { strictEqual } from 'node:assert';
import { copyFile, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { profilingOptions } from '../app-under-test.js';
import { type Bench, compare } from '../bench.js';
import type { Result } from '../measure/result.js';
import { timeScript } from '../native/timed-script.js';
import { Program } from '../program.js';
import type { IndexerOrders } from '../programs/indexer.js';
import type { Repository } from '../repositories/repository.js';

/** Our ingest of a pack file in one warm process, which copies the pack, against `git index-pack`. */
export async function indexPack(bench: Bench, repository: Repository): Promise<Result[]> {
  const results: Result[] = [];
  for (const threads of bench.settings.threads) {
    results.push(await indexWith(bench, repository, threads));
  }
  return results;
}

export async function indexWith(
  bench: Bench,
  repository: Repository,
  threads: number,
): Promise<Result> {
  const { scope, settings, signal } = bench;
  const scratch = await scope.directory();
  const copy = join(scratch, 'copy.pack');
  await copyFile(repository.pack, copy);
  const indexer = await Program.start<IndexerOrders>('indexer', {
    argument: {},
    nodeOptions: profilingOptions(settings.profiles),
  });
  scope.defer(() => indexer.stop());

  const ours = join(scratch, 'ours');
  const ingest = async () => {
    await mkdir(ours);
    return await indexer.order('index', copy, ours, threads);
  };
  const native = () => {
    const script = `git index-pack --threads=${threads} copy.pack`;
    return timeScript(script, [], { cwd: scratch, signal });
  };

  const { name } = await ingest();
  await native();
  const idx = await readFile(join(ours, `${name}.idx`));
  strictEqual(idx.compare(await readFile(join(scratch, 'copy.idx'))), 0, 'the idx files differ');
  await rm(ours, { recursive: true });
  await rm(join(scratch, 'copy.idx'));

  const result = await compare(bench, {
    case: 'index',
    repository,
    variant: `threads: ${threads}`,
    reference: 'git index-pack',
    sides: {
      async ours() {
        const { seconds, cpuSeconds } = await ingest();
        await rm(ours, { recursive: true });
        return { seconds, cpuSeconds };
      },
      async 'git index-pack'() {
        const { seconds, cpuSeconds } = await native();
        await rm(join(scratch, 'copy.idx'));
        return { seconds, cpuSeconds };
      },
    },
  });
  await indexer.stop();
  return result;
}
