import { SnapshotError } from '../errors.js';
import type { HostConfig, SnapshotConfig } from '../options.js';
import type { RepositoryId } from './identity.js';

type AllowList = Pick<SnapshotConfig, 'hosts'>;

/** WHATWG URL's "ends in a number": whatever does is read as an IPv4 address (`127.1`, `0x7f000001`). */
const ENDS_IN_NUMBER = /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/;

/**
 * The options of a repository's host.
 *
 * @throws SnapshotError `FORBIDDEN` when the allow-list does not have the host; `INVALID_REPOSITORY`
 *   when that host is an IP literal or names a port, which only the allow-list makes meaningful.
 */
export function hostConfig({ hosts }: AllowList, { host }: RepositoryId): HostConfig {
  // The record comes from the user: `hosts.constructor` would be found on every object.
  const config = Object.hasOwn(hosts, host) ? hosts[host] : undefined;
  if (config !== undefined) return config;
  if (host.includes(':') || ENDS_IN_NUMBER.test(host)) {
    throw new SnapshotError(
      'INVALID_REPOSITORY',
      'an address or port that is not in the allow-list',
    );
  }
  throw new SnapshotError('FORBIDDEN', 'the host is not in the allow-list');
}

/**
 * Where the repository is fetched from: `{baseUrl or https://host}/{path}`. Holds no credentials.
 *
 * @throws SnapshotError as `hostConfig`
 */
export function upstreamUrl(config: AllowList, repository: RepositoryId): string {
  const { baseUrl } = hostConfig(config, repository);
  return join(baseUrl ?? `https://${repository.host}`, repository.path);
}

/**
 * The URL that snapshots carry as `remote.origin.url`: what the clients, not this server, pull from.
 * Without `.git` and credentials.
 *
 * @throws SnapshotError as `hostConfig`
 */
export function originUrl(config: AllowList, repository: RepositoryId): string {
  const { publicUrl, baseUrl } = hostConfig(config, repository);
  return join(publicUrl ?? baseUrl ?? `https://${repository.host}`, repository.path);
}

/**
 * Every host that may be connected to, by `URL.host` of what it is fetched from. Structured-cloneable.
 * Where several entries of the allow-list share one, it is enough that one allows private addresses.
 */
export function allowedHosts({
  hosts,
}: AllowList): Map<string, { allowPrivateAddresses: boolean }> {
  const allowed = new Map<string, { allowPrivateAddresses: boolean }>();
  for (const [name, { baseUrl, allowPrivateAddresses }] of Object.entries(hosts)) {
    const { host } = new URL(baseUrl ?? `https://${name}`);
    const already = allowed.get(host)?.allowPrivateAddresses ?? false;
    allowed.set(host, { allowPrivateAddresses: already || allowPrivateAddresses });
  }
  return allowed;
}

function join(base: string, path: string): string {
  return `${base.replace(/\/+$/, '')}/${path.split('/').map(encodeURIComponent).join('/')}`;
}
