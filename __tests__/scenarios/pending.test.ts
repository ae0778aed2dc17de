import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { HOST, startHostApp } from '../support/host-app.js';
import { execute } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';

const { directory, defer } = cleanup(afterEach);

test('Node warns of nothing however much there is to be ended', async () => {
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

test('beyond maxPending misses are refused, while hits and waiting for what runs are not', async () => {
  const root = await directory();
  for (const name of ['stored', 'running', 'refused']) await buildSmall(join(root, `${name}.git`));
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  const app = await startHostApp({
    dataDir: await directory(),
    upstreamUrl: upstream.url,
    limits: { maxPending: 1 },
  });
  defer(() => app.close());
  const { service } = app.router;
  const at = (path: string) => ({ host: HOST, path });
  await buffer((await service.get(at('stored'))).body);
  expect(await service.stat(at('stored'))).toBeDefined();

  const gate = upstream.gate('running');
  const running = service.get(at('running'));
  await gate.reached;
  const response = await fetch(app.snapshotUrl('refused'));
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).not.toBeNull();
  expect(await response.json()).toMatchObject({ code: 'OVERLOADED' });
  expect(upstream.infoRefs('refused')).toBe(0);
  const joined = service.get(at('running'));
  await buffer((await service.get(at('stored'))).body);
  gate.release();
  expect(await buffer((await joined).body)).toEqual(await buffer((await running).body));
  await buffer((await service.get(at('running'))).body);
  expect((await fetch(app.snapshotUrl('refused'))).status).toBe(200);
});
