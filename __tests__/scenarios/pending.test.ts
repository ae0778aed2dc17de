import { buffer } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { SnapshotError } from '../../lib/errors.js';
import { counter, freshRepository } from '../support/fresh-repository.js';
import { HOST } from '../support/host-app.js';
import { execute } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);

/** Repeats a call while it is refused: a build ends a moment after its snapshot is stored. */
async function accepted<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!SnapshotError.is(error, 'OVERLOADED')) throw error;
      await setImmediate();
    }
  }
}

test('Many requests at once make Node print no warning', async () => {
  const lib = new URL('../../lib/index.js', import.meta.url);
  const program = `
    import { createSnapshotService } from ${JSON.stringify(lib)};
    const service = createSnapshotService({
      dataDir: ${JSON.stringify(await directory())},
      hosts: { '127.0.0.1': { baseUrl: 'http://127.0.0.1:1', allowPrivateAddresses: true } },
    });
    const ids = Array.from({ length: 20 }, (_, i) => ({ host: '127.0.0.1', path: 'org/' + i }));
    await Promise.allSettled(ids.map((id) => service.get(id)));
    await service.close();`;
  const { code, stderr } = await execute(process.execPath, [
    '--input-type=module',
    '--eval',
    program,
  ]);
  expect([code, stderr]).toEqual([0, '']);
});

test('Beyond maxPendingBuilds, misses are refused, but hits and requests for running builds are answered', async () => {
  const repository = await freshRepository({ directory, defer }, buildSmall, 'stored');
  const { upstream } = repository;
  for (const name of ['running', 'refused']) await repository.add(name);
  const app = await repository.startApp({ concurrency: { maxPendingBuilds: 1 } });
  const { service } = app.router;
  const at = (path: string) => ({ host: HOST, path });
  await buffer((await service.get(defaultSnapshot(at('stored')))).body);
  await service.refresh(at('stored'));

  const gate = upstream.gate('running');
  const running = accepted(() => service.get(defaultSnapshot(at('running'))));
  await gate.reached;
  const response = await fetch(app.snapshotUrl('refused'));
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).not.toBeNull();
  expect(await response.json()).toMatchObject({ code: 'OVERLOADED' });
  expect(upstream.infoRefs('refused')).toBe(0);
  const joined = service.get(defaultSnapshot(at('running')));
  await buffer((await service.get(defaultSnapshot(at('stored')))).body);
  gate.release();
  expect(await buffer((await joined).body)).toEqual(await buffer((await running).body));
  await service.refresh(at('running'));
  const answer = () => fetch(app.snapshotUrl('refused'));
  let last = await answer();
  while (last.status === 503) last = await answer();
  expect(last.status).toBe(200);
});

test('Beyond maxPendingBuilds, ensure-refs and bundles are refused, except of a repository that is already being queried', async () => {
  const repository = await freshRepository({ directory, defer }, buildSmall, 'running');
  const { upstream } = repository;
  await repository.add('refused');
  const app = await repository.startApp({ concurrency: { maxPendingBuilds: 1 } });
  const ask = (path: string) =>
    fetch(`${app.url}/git/${HOST}/${path}/ensure-refs`, {
      method: 'POST',
      body: JSON.stringify({ refs: { 'refs/heads/main': '' } }),
    });
  const gate = upstream.gate('running');
  const running = ask('running');
  await gate.reached;
  const bundle = `${app.url}/git/${HOST}/refused/snapshot.bundle?base=${'1'.repeat(40)}`;
  for (const refused of [await ask('refused'), await fetch(bundle)]) {
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ code: 'OVERLOADED' });
  }
  expect(upstream.infoRefs('refused')).toBe(0);
  const wanted = { refs: new Map([['refs/heads/main', '']]), commits: [] };
  const joined = app.router.service.ensureRefs({ host: HOST, path: 'running' }, wanted);
  gate.release();
  expect((await running).status).toBe(200);
  expect((await joined).missingCommits).toEqual([]);
  expect((await ask('refused')).status).toBe(200);
});

describe('Of queries of one repository', () => {
  const wanted = { refs: new Map([['refs/heads/main', '']]), commits: [] };

  async function start() {
    const repository = await freshRepository({ directory, defer }, buildSmall, 'running');
    await repository.add('other');
    const { service } = await repository.startApp().then(({ router }) => router);
    const gate = repository.upstream.gate('running');
    const ask = (path: string, signal?: AbortSignal) =>
      service.ensureRefs({ host: HOST, path }, wanted, { signal });
    return { service, gate, ask };
  }

  test('a limited number may wait, while queries of other repositories are answered', async () => {
    const { gate, ask } = await start();
    const waiting = Array.from({ length: 256 }, () => ask('running'));
    await gate.reached;
    const one = ask('running').catch((error: unknown) => error);
    const other = ask('other');
    const first = await Promise.race([one, other.then(() => 'it waits')]);
    expect(first).toMatchObject({ code: 'OVERLOADED', retryAfter: expect.any(Number) });
    expect((await other).missingCommits).toEqual([]);
    gate.release();
    for (const { missingCommits } of await Promise.all(waiting)) expect(missingCommits).toEqual([]);
    expect((await ask('running')).fetched).toBe(false);
  });

  test('those whose clients have left no longer count', async () => {
    const { service, gate, ask } = await start();
    const staying = ask('running');
    await gate.reached;
    for (let i = 0; i < 300; i++) {
      const client = new AbortController();
      const left = ask('running', client.signal);
      client.abort(new Error('gone'));
      await expect(left).rejects.toThrow('gone');
    }
    const clones = counter(service, 'clone done');
    gate.release();
    expect((await staying).missingCommits).toEqual([]);
    expect(clones()).toBe(1);
  });
});
