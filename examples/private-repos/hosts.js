import { readFile } from 'node:fs/promises';
import { githubAppCredentials } from './github-app.js';
import { gitlabCredentials } from './gitlab.js';

/**
 * The hosts that the environment has credentials for.
 *
 * @returns `hosts`: the option of the router; `owners`: by host, the organisation or group that is served.
 * @throws Error if a variable is missing.
 */
export async function hostsOf(env) {
  const hosts = {};
  const owners = {};
  if (env.GITHUB_ORG) {
    hosts['github.com'] = {
      credentials: await githubCredentials(env),
      ...behind(env.GITHUB_BASE_URL, 'https://github.com'),
    };
    owners['github.com'] = env.GITHUB_ORG.toLowerCase();
  }
  if (env.GITLAB_GROUP) {
    const { GITLAB_USERNAME: username, GITLAB_TOKEN_FILE: tokenFile } = env;
    if (!tokenFile) throw new Error('set GITLAB_TOKEN_FILE');
    hosts['gitlab.com'] = {
      credentials: gitlabCredentials({ username, tokenFile }),
      ...behind(env.GITLAB_BASE_URL, 'https://gitlab.com'),
    };
    owners['gitlab.com'] = env.GITLAB_GROUP.toLowerCase();
  }
  if (Object.keys(hosts).length === 0) throw new Error('set GITHUB_ORG or GITLAB_GROUP');
  return { hosts, owners };
}

async function githubCredentials(env) {
  const { GITHUB_TOKEN, GITHUB_APP_ID: appId, GITHUB_APP_KEY_FILE, GITHUB_API_URL: apiUrl } = env;
  if (appId && GITHUB_APP_KEY_FILE) {
    const privateKey = await readFile(GITHUB_APP_KEY_FILE, 'utf8');
    return githubAppCredentials({ appId, privateKey, apiUrl });
  }
  if (!GITHUB_TOKEN) throw new Error('set GITHUB_TOKEN, or GITHUB_APP_ID and GITHUB_APP_KEY_FILE');
  return () => ({ username: 'x-access-token', password: GITHUB_TOKEN });
}

/** For a host that is reached by another URL, such as a mirror in your network. */
function behind(baseUrl, originUrl) {
  return baseUrl === undefined ? {} : { baseUrl, originUrl, allowPrivateAddresses: true };
}
