import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../../support/run.js';
import type { AppUnderTest } from '../app-under-test.js';
import { type Bench, compare } from '../bench.js';
import type { Sample } from '../measure/metrics.js';
import type { Result } from '../measure/result.js';
import { Prober } from '../prober.js';
import type { Repository } from '../repositories/repository.js';
import { checkCold } from './cold.js';

/** Milliseconds that an idle run lasts at most; else as long as the busy one before. */
const MAX_IDLE = 10_000;

/**
 * What the app's other users notice of a cold clone and its generation. The snapshot is downloaded by
 * curl, so that this process has nothing to do but to ask for the trivial route.
 */
export async function host(bench: Bench, repository: Repository): Promise<Result[]> {
  const { signal } = bench;
  await checkCold(bench, repository);
  const app = await bench.app();
  let busyMilliseconds = 0;
  const result = await compare(bench, {
    case: 'host',
    repository,
    sides: {
      async 'cold clone and generation'() {
        const path = await app.newPath(repository);
        const sample = await watch(app, async () => {
          const started = performance.now();
          const args = ['-sSf', '-o', '/dev/null', app.snapshotUrl(path)];
          await run('curl', args, { signal });
          busyMilliseconds = performance.now() - started;
        });
        await app.forget(path);
        return sample;
      },
      idle: () => {
        const milliseconds = Math.min(busyMilliseconds, MAX_IDLE);
        return watch(app, () => delay(milliseconds, undefined, { signal }));
      },
    },
  });
  return [result];
}

async function watch(app: AppUnderTest, work: () => Promise<void>): Promise<Sample> {
  const prober = new Prober(`${app.url}/trivial`);
  await app.program.order('watchLoop');
  prober.start();
  try {
    await work();
  } finally {
    await prober.stop();
  }
  const loop = await app.program.order('loopDelays');
  const route = prober.latencies();
  return {
    loopDelayP50Milliseconds: loop.p50,
    loopDelayP99Milliseconds: loop.p99,
    loopDelayMaxMilliseconds: loop.max,
    routeP50Milliseconds: route.p50,
    routeP99Milliseconds: route.p99,
    routeMaxMilliseconds: route.max,
  };
}
