// Jest loads the ES module itself on Node 24.9, or Babel compiles it.
test('serves a snapshot', async () => {
  const { createSnapshotRouter } = require('express-git-snapshot');
  const express = require('express');
  const { once } = require('node:events');
  const { DATA_DIR: dataDir, UPSTREAM: baseUrl } = process.env;
  const hosts = { 'git.example': { baseUrl, allowPrivateAddresses: true } };
  const snapshots = createSnapshotRouter({ dataDir, hosts });
  const server = express().use('/git', snapshots).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}/git/git.example/small/snapshot.tar.zst`;
  for (let i = 0; i < 2; i++) {
    const response = await fetch(url);
    expect(response.status).toBe(200);
    expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(1000);
  }
  server.close();
  await snapshots.close({ drain: true });
});
