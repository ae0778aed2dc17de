import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RepositoryBuilder } from '../../support/repository-builder.js';
import { run } from '../../support/run.js';
import { type Bench, compare } from '../bench.js';
import type { Result } from '../measure/result.js';
import { FETCH, MIRROR, SNAPSHOT } from '../native/pipeline.js';
import { timeScript } from '../native/timed-script.js';
import { Reference } from '../repositories/reference.js';
import type { Repository } from '../repositories/repository.js';

const NEW_COMMITS = 10;

/**
 * The time of a refresh: of a check without new commits, and with ten of them until the mirror has them and
 * until a new snapshot is stored. The peer is `git fetch` in a mirror, and then the native snapshot of it.
 */
export async function refresh(bench: Bench, repository: Repository): Promise<Result[]> {
  const { scope, signal, tell, upstream } = bench;
  const directory = join(await scope.directory(), `${repository.name}.git`);
  // Commits are pushed to a copy: the given repository is never written to.
  await run('git', ['clone', '--quiet', '--mirror', repository.directory, directory], { signal });
  const growing = { ...repository, directory };
  const app = await bench.app();
  const path = await app.newPath(growing);
  const url = `${upstream.url}/${path}`;
  const scratch = await scope.directory();
  const native = async (script: string) => {
    const { seconds, cpuSeconds } = await timeScript(script, [url], { cwd: scratch, signal });
    await rm(join(scratch, 'snapshot.tar.zst'), { force: true });
    return { seconds, cpuSeconds };
  };
  await native(MIRROR);
  await app.timeDownload(path);

  tell(`${repository.name}: checking a snapshot after a refresh`);
  await addCommits(directory);
  await app.refresh(path);
  await native(FETCH);
  const file = join(scratch, 'ours.tar.zst');
  await app.timeDownload(path, file);
  const reference = await Reference.clone(bench, growing);
  await reference.expectSnapshot(file, app.originUrl(path));
  await rm(file);

  const common = { case: 'refresh', repository, reference: 'native' };
  const results = [
    await compare(bench, {
      ...common,
      variant: 'unchanged',
      sides: {
        ours: async () => (await app.refresh(path)).whole,
        native: () => native(FETCH),
      },
    }),
    await compare(bench, {
      ...common,
      variant: `${NEW_COMMITS} commits, mirror`,
      sides: {
        async ours() {
          await addCommits(directory);
          return (await app.refresh(path)).mirror;
        },
        native: () => native(FETCH),
      },
    }),
    await compare(bench, {
      ...common,
      variant: `${NEW_COMMITS} commits, mirror and snapshot`,
      sides: {
        async ours() {
          await addCommits(directory);
          return (await app.refresh(path)).whole;
        },
        native: () => native(`${FETCH}${SNAPSHOT}`),
      },
    }),
  ];
  await app.forget(path);
  return results;
}

/** On HEAD's branch. */
async function addCommits(directory: string): Promise<void> {
  const head = await run('git', ['symbolic-ref', '--short', 'HEAD'], { cwd: directory });
  const branch = head.trim();
  const builder = await RepositoryBuilder.open(directory);
  let parent = (await run('git', ['rev-parse', 'HEAD'], { cwd: directory })).trim();
  for (let i = 0; i < NEW_COMMITS; i++) {
    const files = {
      [`bench/${i}.txt`]: `${parent} ${i}\n`.repeat(100),
      'bench/latest.txt': parent,
    };
    parent = builder.commit({ branch, parents: [parent], files });
  }
  await builder.finish({ repack: false });
}
