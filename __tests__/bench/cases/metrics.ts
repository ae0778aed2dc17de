import { AppUnderTest } from '../app-under-test.js';
import { type Bench, compare } from '../bench.js';
import type { Run } from '../measure/alternate.js';
import type { Result } from '../measure/result.js';
import { Program } from '../program.js';
import type { LoadOrders } from '../programs/load.js';
import type { Repository } from '../repositories/repository.js';

const CONNECTIONS = 8;
/** Over each connection. */
const REQUESTS = 100;

/** Compares hits with and without OpenTelemetry. Each hit is a GET of a snapshot's first byte. */
export async function metrics(bench: Bench, repository: Repository): Promise<Result[]> {
  const client = await Program.start<LoadOrders>('load', { argument: {} });
  bench.scope.defer(() => client.stop());

  const start = async (measured: boolean): Promise<Run> => {
    const app = await AppUnderTest.start(bench, { metrics: measured });
    const path = await app.newPath(repository);
    await app.timeDownload(path);
    return async () => {
      const before = await app.program.order('usage');
      const load = await client.order(
        'load',
        app.snapshotUrl(path),
        CONNECTIONS,
        REQUESTS,
        'bytes=0-0',
      );
      const { cpuSeconds } = await app.program.order('usage');
      const requests = CONNECTIONS * REQUESTS;
      return {
        requestsPerSecond: requests / load.seconds,
        cpuMillisecondsPerRequest: (1000 * (cpuSeconds - before.cpuSeconds)) / requests,
        clientLoad: load.cpuSeconds / load.seconds,
      };
    };
  };
  const sides = { 'with metrics': await start(true), 'without metrics': await start(false) };
  const reference = 'without metrics';
  return [await compare(bench, { case: 'metrics', repository, reference, sides })];
}
