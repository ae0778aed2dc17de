import express from 'express';
import { createSnapshotRouter } from 'express-git-snapshot';
import { bearerTokenCheck } from './bearer-token.js';

const { PORT = '3000', DATA_DIR = './data', GITHUB_ORG, GITHUB_BASE_URL } = process.env;
const { GITHUB_TOKEN, SNAPSHOT_TOKEN } = process.env;
const missing = ['GITHUB_ORG', 'GITHUB_TOKEN', 'SNAPSHOT_TOKEN'].filter(
  (name) => !process.env[name],
);
if (missing.length > 0) {
  console.error(`set ${missing.join(', ')}`);
  process.exit(1);
}

const hasToken = bearerTokenCheck(SNAPSHOT_TOKEN);

const snapshots = createSnapshotRouter({
  dataDir: DATA_DIR,
  hosts: {
    'github.com': {
      // Called before each clone and each check, so that it can make short-lived tokens.
      credentials: () => ({ username: 'x-access-token', password: GITHUB_TOKEN }),
      ...(GITHUB_BASE_URL !== undefined && {
        baseUrl: GITHUB_BASE_URL,
        originUrl: 'https://github.com',
        allowPrivateAddresses: true,
      }),
    },
  },
  // Clients could read every repository that this server's token can read: here it is restricted.
  authorize: (req, repository) => {
    if (!hasToken(req)) return { status: 401, challenge: 'Bearer realm="snapshots"' };
    return repository.path.startsWith(`${GITHUB_ORG.toLowerCase()}/`);
  },
});

const app = express();
app.use('/git', snapshots);

const server = app.listen(Number(PORT), (error) => {
  if (error) throw error;
  console.log(`listening on http://localhost:${server.address().port}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    server.close();
    await snapshots.close();
  });
}
