import { createSnapshotRouter } from 'express-git-snapshot';

/* What is the same for all frameworks. */

const { PORT = '3000', DATA_DIR = './data', GITHUB_BASE_URL } = process.env;

export const port = Number(PORT);

export const snapshots = createSnapshotRouter({
  dataDir: DATA_DIR,
  hosts: {
    'github.com':
      GITHUB_BASE_URL === undefined
        ? {}
        : {
            baseUrl: GITHUB_BASE_URL,
            originUrl: 'https://github.com',
            allowPrivateAddresses: true,
          },
  },
});

/**
 * Says where the server of Node listens, and ends it on SIGINT or SIGTERM.
 *
 * @param close ends the framework. Default: closes the server.
 */
export function listening(server, close = () => server.close()) {
  console.log(`listening on http://localhost:${server.address().port}`);
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      await close();
      await snapshots.close({ drain: true });
    });
  }
}
