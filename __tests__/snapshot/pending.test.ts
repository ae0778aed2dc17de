import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, expect, test } from '@jest/globals';
import { HOST, startHostApp } from '../support/host-app.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';

const { directory, defer } = cleanup(afterEach);

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
