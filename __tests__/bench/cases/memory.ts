import { AppUnderTest } from '../app-under-test.js';
import { type Bench, compare } from '../bench.js';
import type { Result } from '../measure/result.js';
import type { Repository } from '../repositories/repository.js';
import { checkCold } from './cold.js';

/** The peak of the app's resident memory over one cold snapshot, each in a fresh process. */
export async function memory(bench: Bench, repository: Repository): Promise<Result[]> {
  await checkCold(bench, repository);
  const result = await compare(bench, {
    case: 'memory',
    repository,
    warmUp: false,
    sides: {
      async ours() {
        const app = await AppUnderTest.start(bench);
        const start = await app.program.order('usage');
        const path = await app.newPath(repository);
        const { seconds } = await app.timeDownload(path);
        const end = await app.program.order('usage');
        await app.forget(path);
        await app.stop();
        return {
          startRssMegabytes: start.rssBytes / 1e6,
          peakRssMegabytes: end.peakRssBytes / 1e6,
          seconds,
        };
      },
    },
  });
  return [result];
}
