import type { HostOptions } from '../config/host-options.js';
import { type Surroundings, variable } from './surroundings.js';
import { UsageError } from './syntax.js';

/**
 * The allow-list for values of `--host`: a name, or the base URL of a host that has another one than
 * `https://{name}`. With `GIT_TOKEN`, there may be one only: a token is for one host.
 *
 * @throws UsageError
 */
export function servedHosts(
  given: readonly string[],
  allowPrivateAddresses: boolean,
  surroundings: Surroundings,
): Record<string, HostOptions> {
  if (given.length === 0) throw new UsageError('serve needs a --host, such as --host github.com');
  const password = variable(surroundings, 'GIT_TOKEN')?.trim();
  if (password !== undefined && given.length > 1) {
    throw new UsageError('GIT_TOKEN is for one host: run one server for each');
  }
  const username = variable(surroundings, 'GIT_USERNAME') ?? 'x-access-token';
  const credentials = password === undefined ? undefined : () => ({ username, password });
  const hosts = given.map((text): [string, HostOptions] => {
    const options = { credentials, allowPrivateAddresses };
    if (!text.includes('://')) return [text.toLowerCase(), options];
    if (!URL.canParse(text)) throw new UsageError('--host is a malformed URL');
    return [new URL(text).host, { ...options, baseUrl: text }];
  });
  return Object.fromEntries(hosts);
}
