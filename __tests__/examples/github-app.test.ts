import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { CredentialsProvider } from '../../lib/index.js';
import { setDate } from '../support/fake-date.js';
import { cleanup } from '../support/temporary-directory.js';
import { startFakeGitHub } from './fake-github.js';

const { defer } = cleanup(afterEach);

const MINUTE = 60_000;

/** The credentials that the example makes, for the repository `org/repo` unless another one is named. */
async function startCredentials() {
  const github = await startFakeGitHub(defer);
  github.installations.set('org', 1);
  const file = join('examples', 'private-repos', 'github-app.js');
  const { githubAppCredentials } = await import(pathToFileURL(file).href);
  const { appId, privateKey, url: apiUrl } = github;
  const credentials: CredentialsProvider = githubAppCredentials({ appId, privateKey, apiUrl });
  const { signal } = new AbortController();
  const tokenFor = async (path: string, { previousDenied = false } = {}) => {
    const given = await credentials({ host: 'github.com', path }, { signal, previousDenied });
    return given?.password;
  };
  return { github, credentials, tokenFor };
}

test('The repositories of an installation share a token, which may only read contents', async () => {
  const { github, credentials, tokenFor } = await startCredentials();
  const context = { signal: new AbortController().signal, previousDenied: false };
  const given = await credentials({ host: 'github.com', path: 'org/repo' }, context);
  expect(given).toEqual({ username: 'x-access-token', password: 'token-1' });
  expect(await tokenFor('org/other')).toBe('token-1');
  github.installations.set('second', 2);
  expect(await tokenFor('second/repo')).toBe('token-2');
  expect(github.made).toEqual([
    { installation: 1, permissions: { contents: 'read' } },
    { installation: 2, permissions: { contents: 'read' } },
  ]);
});

test('A token is replaced before its hour is over', async () => {
  const { tokenFor } = await startCredentials();
  expect(await tokenFor('org/repo')).toBe('token-1');
  setDate(defer, 58 * MINUTE);
  expect(await tokenFor('org/repo')).toBe('token-1');
  setDate(defer, 1.5 * MINUTE);
  expect(await tokenFor('org/repo')).toBe('token-2');
});

test('A refused token is replaced, once a minute at most, even if the app was installed again', async () => {
  const { github, tokenFor } = await startCredentials();
  expect(await tokenFor('org/repo')).toBe('token-1');
  expect(await tokenFor('org/repo', { previousDenied: true })).toBe('token-1');
  setDate(defer, MINUTE);
  github.installations.set('org', 3);
  expect(await tokenFor('org/repo', { previousDenied: true })).toBe('token-2');
  expect(await tokenFor('org/missing', { previousDenied: true })).toBe('token-2');
  expect(github.made.at(-1)).toMatchObject({ installation: 3 });
});

test('A repository without the app gets no credentials, and the next request looks again', async () => {
  const { github, tokenFor } = await startCredentials();
  expect(await tokenFor('new/repo')).toBeUndefined();
  github.installations.set('new', 5);
  expect(await tokenFor('new/repo')).toBe('token-1');
});
