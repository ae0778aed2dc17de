import { coreServices, createBackendPlugin } from '@backstage/backend-plugin-api';
import { DefaultGithubCredentialsProvider, ScmIntegrations } from '@backstage/integration';
import { createSnapshotRouter } from 'express-git-snapshot';

const { GITHUB_BASE_URL } = process.env;

/**
 * Serves the repositories of the GitHub hosts in `integrations`, with the tokens or GitHub Apps that stand there:
 * `/api/git-snapshots/{host}/{path}/snapshot.tar.zst`. Backstage lets in only clients that it knows.
 */
export default createBackendPlugin({
  pluginId: 'git-snapshots',
  register(env) {
    env.registerInit({
      deps: {
        config: coreServices.rootConfig,
        httpRouter: coreServices.httpRouter,
        lifecycle: coreServices.lifecycle,
        logger: coreServices.logger,
      },
      async init({ config, httpRouter, lifecycle, logger }) {
        const owners = config
          .getStringArray('gitSnapshots.owners')
          .map((name) => name.toLowerCase());
        const snapshots = createSnapshotRouter({
          dataDir: config.getString('gitSnapshots.dataDir'),
          hosts: hostsOf(ScmIntegrations.fromConfig(config)),
          authorize: (_req, { path }) => owners.some((owner) => path.startsWith(`${owner}/`)),
          logger,
        });
        await snapshots.ready();
        httpRouter.use(snapshots);
        lifecycle.addShutdownHook(() => snapshots.close());
      },
    });
  },
});

function hostsOf(integrations) {
  const provider = DefaultGithubCredentialsProvider.fromIntegrations(integrations);
  const options = ({ config: { host } }) => ({
    caseInsensitivePaths: true,
    // Backstage renews the tokens of GitHub Apps.
    async credentials({ path }) {
      const { token } = await provider.getCredentials({ url: `https://${host}/${path}` });
      return token && { username: 'x-access-token', password: token };
    },
    ...(GITHUB_BASE_URL !== undefined && {
      baseUrl: GITHUB_BASE_URL,
      originUrl: `https://${host}`,
      allowPrivateAddresses: true,
    }),
  });
  return Object.fromEntries(
    integrations.github.list().map((each) => [each.config.host, options(each)]),
  );
}
