import { once } from 'node:events';
import { createSnapshotRouter } from 'express-git-snapshot';
import { express, options } from './host.mjs';

test('serves a snapshot', async () => {
  const snapshots = createSnapshotRouter(options);
  await snapshots.ready();
  const server = express().use('/git', snapshots).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}/git/git.example/small/snapshot.tar.zst`;
  for (let i = 0; i < 2; i++) {
    const response = await fetch(url);
    expect(response.status).toBe(200);
    expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(1000);
  }
  expect((await fetch(url.replace('small', 'missing'))).status).toBe(503);
  server.close();
  await snapshots.close({ drain: true });
});
