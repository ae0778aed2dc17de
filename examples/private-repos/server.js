import express from 'express';
import { createSnapshotRouter } from 'express-git-snapshot';
import { bearerTokenCheck } from './bearer-token.js';
import { hostsOf } from './hosts.js';

const { PORT = '3000', DATA_DIR = './data', SNAPSHOT_TOKEN } = process.env;
if (!SNAPSHOT_TOKEN) throw new Error('set SNAPSHOT_TOKEN');

const hasToken = bearerTokenCheck(SNAPSHOT_TOKEN);
const { hosts, owners } = await hostsOf(process.env);

const snapshots = createSnapshotRouter({
  dataDir: DATA_DIR,
  hosts,
  // Clients could read every repository that this server's tokens can read: here it is restricted.
  authorize: (req, { host, path }) => {
    if (!hasToken(req)) return { status: 401, challenge: 'Bearer realm="snapshots"' };
    return path.startsWith(`${owners[host]}/`);
  },
});

const app = express();
app.use('/git', snapshots);

const server = app.listen(Number(PORT), (error) => {
  if (error) throw error;
  console.log(`listening on http://localhost:${server.address().port}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    // Requests that have come are answered first.
    server.close(() => snapshots.close({ drain: true }));
  });
}
