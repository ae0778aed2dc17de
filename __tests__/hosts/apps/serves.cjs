// The check of the CommonJS tests of this folder, which load the package each in its own way.
const { once } = require('node:events');
const express = require('express');

module.exports = async ({ createSnapshotRouter }) => {
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
};
