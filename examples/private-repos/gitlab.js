import { readFile } from 'node:fs/promises';

/**
 * Makes the option `credentials` of a host for a GitLab token. The file is read for each clone and each check, so
 * a token that is rotated needs no restart.
 *
 * @param username of a deploy token. For personal, group and project tokens, GitLab takes any name.
 */
export function gitlabCredentials({ username = 'oauth2', tokenFile }) {
  return async (_repository, { signal }) => {
    const token = await readFile(tokenFile, { encoding: 'utf8', signal });
    return { username, password: token.trim() };
  };
}
