import { createAppAuth } from '@octokit/auth-app';
import { request as octokit } from '@octokit/request';

const GITHUB_API = 'https://api.github.com';
const REQUEST_TIMEOUT = 20_000;
/** GitHub answers 404 for missing repositories, too: refusals make a new token once a minute at most. */
const RENEWAL_INTERVAL = 60_000;

/**
 * Makes the option `credentials` of a host for a GitHub App: installation tokens that may only read contents.
 * They are valid for an hour. auth-app keeps each of them for 59 minutes, then it makes the next one.
 *
 * @param apiUrl for GitHub Enterprise Server: `https://{host}/api/v3`.
 */
export function githubAppCredentials({ appId, privateKey, apiUrl = GITHUB_API }) {
  // The repositories of an owner share a token: the signal of one of them must not end the request for it.
  const fetchInTime = (url, options) =>
    fetch(url, { ...options, signal: AbortSignal.timeout(REQUEST_TIMEOUT) });
  const request = octokit.defaults({ baseUrl: apiUrl, request: { fetch: fetchInTime } });
  const auth = createAppAuth({ appId, privateKey, request });
  /** By owner: the id of the installation, and when it was looked up. */
  const installations = new Map();

  /** @returns undefined if the app is not installed there. */
  async function findInstallation(owner, repo) {
    try {
      const options = { owner, repo, request: { hook: auth.hook } };
      const { data } = await request('GET /repos/{owner}/{repo}/installation', options);
      return { id: data.id, foundAt: Date.now() };
    } catch (error) {
      if (error.status === 404) return undefined;
      throw error;
    }
  }

  return async ({ path }, { previousDenied }) => {
    const [owner, repo] = path.split('/');
    const known = installations.get(owner);
    const isOld = known !== undefined && Date.now() - known.foundAt >= RENEWAL_INTERVAL;
    const refresh = previousDenied && isOld;
    // After a refusal, the installation may be another one: the app was removed and installed again.
    const installation =
      known === undefined || refresh ? await findInstallation(owner, repo) : known;
    if (installation === undefined) return undefined; // GitHub itself refuses what is not public
    installations.set(owner, installation);
    const { token } = await auth({
      type: 'installation',
      installationId: installation.id,
      permissions: { contents: 'read' },
      refresh,
    });
    return { username: 'x-access-token', password: token };
  };
}
