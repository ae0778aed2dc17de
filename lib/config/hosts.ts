import { SnapshotError } from '../errors.js';
import {
  checkRepository,
  decodeRepository,
  type RepositoryId,
  repositoryKey,
} from '../repository.js';
import type { HostConfig, ServiceConfig } from './options.js';

export type AllowList = Pick<ServiceConfig, 'hosts'>;

/** WHATWG URL's "ends in a number": such a host is an IPv4 address (`127.1`, `0x7f000001`). */
const ENDS_IN_NUMBER = /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/;

/**
 * The options of a repository's host.
 *
 * @throws SnapshotError `FORBIDDEN`: the allow-list does not have the host; `INVALID_REPOSITORY`:
 * only the allow-list may have IP literals and ports.
 */
export function hostConfig(allowList: AllowList, repository: RepositoryId): HostConfig {
  const { host } = repository;
  const config = findHost(allowList, host);
  if (config !== undefined) return config;
  if (host.includes(':') || ENDS_IN_NUMBER.test(host)) {
    const message = 'the address or port is not in the allow-list';
    throw new SnapshotError('INVALID_REPOSITORY', message, { repository });
  }
  throw new SnapshotError('FORBIDDEN', 'the host is not in the allow-list', { repository });
}

function findHost({ hosts }: AllowList, host: string): HostConfig | undefined {
  // The record comes from the user: `hosts.constructor` would be found on every object.
  return Object.hasOwn(hosts, host) ? hosts[host] : undefined;
}

/** Hosts to which `Org/Repo` and `org/repo` are one repository. */
const CASE_INSENSITIVE_HOSTS = ['github.com', 'gitlab.com', 'bitbucket.org', 'codeberg.org'];

/**
 * The canonical name of a repository, for keys and `authorize`: its path is in lower case if the
 * host ignores case.
 *
 * @throws SnapshotError `INVALID_REPOSITORY` if the path has no valid form in lower case.
 */
export function canonicalRepository(allowList: AllowList, repository: RepositoryId): RepositoryId {
  const { host, path } = repository;
  const config = findHost(allowList, host);
  const isLower = config?.caseInsensitivePaths ?? CASE_INSENSITIVE_HOSTS.includes(host);
  // Parsed again: `.GIT` has become `.git`.
  return isLower ? checkRepository(repositoryKey({ host, path: path.toLowerCase() })) : repository;
}

/**
 * The URL of the repository at its upstream: `{baseUrl or https://host}/{path}`, without
 * credentials.
 *
 * @throws SnapshotError as `hostConfig`
 */
export function upstreamUrl(config: AllowList, repository: RepositoryId): string {
  const { baseUrl = `https://${repository.host}` } = hostConfig(config, repository);
  return join(baseUrl, repository.path);
}

/**
 * The `remote.origin.url` of snapshots, without `.git` and credentials: clients pull from this URL.
 *
 * @throws SnapshotError as `hostConfig`
 */
export function originUrl(config: AllowList, repository: RepositoryId): string {
  const { originUrl: own, baseUrl } = hostConfig(config, repository);
  return join(own ?? baseUrl ?? `https://${repository.host}`, repository.path);
}

/**
 * The repository that a git host means by a URL for cloning or browsing, with or without `.git`, a
 * trailing slash and credentials. The URL must begin with the `originUrl` or `baseUrl` of a host of
 * the allow-list, or with `https://{host}`. The longest match decides, then the first. `http` and
 * `https` count as equal: a host behind a proxy often does not know its clients' scheme.
 * `undefined`: no host matches.
 */
export function repositoryAt(allowList: AllowList, url: string): RepositoryId | undefined {
  const target = httpUrl(url);
  if (target === undefined) return undefined;
  let longest = '';
  let address: string | undefined;
  for (const [host, { originUrl, baseUrl }] of Object.entries(allowList.hosts)) {
    for (const base of [originUrl, baseUrl, `https://${host}`]) {
      const prefix = base && httpUrl(base);
      if (!prefix || prefix.length <= longest.length || !target.startsWith(prefix)) continue;
      longest = prefix;
      address = `${host}/${target.slice(prefix.length, -1)}`;
    }
  }
  if (address === undefined) return undefined;
  try {
    return canonicalRepository(allowList, decodeRepository(address));
  } catch (error) {
    if (SnapshotError.is(error, 'INVALID_REPOSITORY')) return undefined;
    throw error;
  }
}

/** `{host}/{path}/` of an http(s) URL; `undefined` for other texts, even if `URL` corrects them. */
function httpUrl(text: string): string | undefined {
  if (/[\s\\\p{Cc}]/u.test(text) || !URL.canParse(text)) return undefined;
  const { protocol, host, pathname } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:') return undefined;
  return `${host}${withoutSlashes(pathname)}/`;
}

/**
 * The base URLs below which a redirect of the repository may lead, with a slash at the end: its own
 * one, the same with https, and `redirectTo`.
 *
 * @throws SnapshotError as `hostConfig`
 */
export function redirectBases(config: AllowList, repository: RepositoryId): string[] {
  const { baseUrl = `https://${repository.host}`, redirectTo } = hostConfig(config, repository);
  const normal = (url: string) => `${withoutSlashes(new URL(url).href)}/`;
  const own = normal(baseUrl);
  return [own, own.replace(/^http:/, 'https:'), ...redirectTo.map(normal)];
}

/** By `URL.host`: lower case, with the port unless it is the scheme's default. */
export type AllowedHosts = ReadonlyMap<string, AllowedHost>;

export interface AllowedHost {
  readonly allowPrivateAddresses: boolean;
  /** The URL of a proxy, which may have credentials. */
  readonly proxy?: string | undefined;
}

/**
 * All hosts to which the service may connect. Structured-cloneable. One entry of the allow-list
 * that allows private addresses allows them for its host; the first one with a proxy sets it.
 */
export function allowedHosts({ hosts }: AllowList): AllowedHosts {
  const allowed = new Map<string, AllowedHost>();
  for (const [name, config] of Object.entries(hosts)) {
    const { baseUrl, redirectTo, allowPrivateAddresses, proxy } = config;
    for (const url of [baseUrl ?? `https://${name}`, ...redirectTo]) {
      const { host } = new URL(url);
      const already = allowed.get(host);
      allowed.set(host, {
        allowPrivateAddresses: already?.allowPrivateAddresses || allowPrivateAddresses,
        proxy: already?.proxy ?? proxy,
      });
    }
  }
  return allowed;
}

function join(base: string, path: string): string {
  // `encodeURI` escapes all characters that a path must not have raw, except `?` and `#`.
  return `${withoutSlashes(base)}/${encodeURI(path).replace(/[?#]/g, encodeURIComponent)}`;
}

/** Removes the slashes at the end. A regular expression would take quadratic time. */
function withoutSlashes(text: string): string {
  let end = text.length;
  while (text[end - 1] === '/') end--;
  return text.slice(0, end);
}
