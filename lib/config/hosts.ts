import { SnapshotError } from '../errors.js';
import {
  decodeRepository,
  parseRepository,
  type RepositoryId,
  repositoryKey,
} from '../repository.js';
import type { HostConfig, SnapshotConfig } from './options.js';

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

/** Hosts to which `Org/Repo` and `org/repo` are one repository. */
const CASE_INSENSITIVE_HOSTS = ['github.com', 'gitlab.com', 'bitbucket.org', 'codeberg.org'];

/**
 * The canonical name of a repository: its path is in lower case if the host ignores case. Keys in the store
 * and calls of `authorize` use it.
 *
 * @throws SnapshotError `INVALID_REPOSITORY` if the path has no valid form in lower case.
 */
export function canonicalRepository({ hosts }: AllowList, repository: RepositoryId): RepositoryId {
  const { host, path } = repository;
  const config = Object.hasOwn(hosts, host) ? hosts[host] : undefined;
  const isLower = config?.caseInsensitivePaths ?? CASE_INSENSITIVE_HOSTS.includes(host);
  // Parsed again, as `.GIT` is `.git` by then.
  return isLower ? parseRepository(repositoryKey({ host, path: path.toLowerCase() })) : repository;
}

/**
 * The URL of the repository at its upstream: `{baseUrl or https://host}/{path}`. Has no credentials.
 *
 * @throws SnapshotError as `hostConfig`
 */
export function upstreamUrl(config: AllowList, repository: RepositoryId): string {
  const { baseUrl } = hostConfig(config, repository);
  return join(baseUrl ?? `https://${repository.host}`, repository.path);
}

/**
 * The `remote.origin.url` of snapshots: the URL that clients, not this server, pull from.
 * Without `.git` and credentials.
 *
 * @throws SnapshotError as `hostConfig`
 */
export function originUrl(config: AllowList, repository: RepositoryId): string {
  const { publicUrl, baseUrl } = hostConfig(config, repository);
  return join(publicUrl ?? baseUrl ?? `https://${repository.host}`, repository.path);
}

/**
 * The repository that a URL is of, as a git host gives it for cloning or browsing: with or without
 * `.git`, a trailing slash and credentials. It must begin with the `publicUrl` or `baseUrl` of a host
 * of the allow-list, or with `https://{host}`; where several do the longest decides, and the first of
 * equal ones. `http` and `https` are not told apart: git hosts behind a proxy often don't know which
 * one they are reached by. `undefined`: there is none, or the URL is not of http.
 */
export function repositoryAt(allowList: AllowList, url: string): RepositoryId | undefined {
  const { hosts } = allowList;
  const target = httpUrl(url);
  if (target === undefined) return undefined;
  let longest = '';
  let address: string | undefined;
  for (const [host, { publicUrl, baseUrl }] of Object.entries(hosts)) {
    for (const base of [publicUrl, baseUrl, `https://${host}`]) {
      const prefix = base === undefined ? undefined : httpUrl(base);
      if (prefix === undefined || prefix.length <= longest.length) continue;
      if (!target.startsWith(prefix)) continue;
      longest = prefix;
      address = `${host}/${target.slice(prefix.length, -1)}`;
    }
  }
  try {
    if (address === undefined) return undefined;
    return canonicalRepository(allowList, decodeRepository(address));
  } catch (error) {
    if (error instanceof SnapshotError && error.code === 'INVALID_REPOSITORY') return undefined;
    throw error;
  }
}

/** `{host}/{path}/` of an http(s) URL; `undefined` for what is none, or only by a lenient reader. */
function httpUrl(text: string): string | undefined {
  if (/[\s\\\p{Cc}]/u.test(text) || !URL.canParse(text)) return undefined;
  const { protocol, host, pathname } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:') return undefined;
  return `${host}${withoutSlashes(pathname)}/`;
}

/**
 * The base URLs, with a slash at the end, below which a redirect of the repository may lead: its own, also by
 * https in place of http, and those of `redirectTo`.
 *
 * @throws SnapshotError as `hostConfig`
 */
export function redirectBases(config: AllowList, repository: RepositoryId): string[] {
  const { baseUrl, redirectTo } = hostConfig(config, repository);
  const own = `${withoutSlashes(new URL(baseUrl ?? `https://${repository.host}`).href)}/`;
  const others = redirectTo.map((base) => `${withoutSlashes(new URL(base).href)}/`);
  return [own, own.replace(/^http:/, 'https:'), ...others];
}

/** By `URL.host`: lower case, with the port unless it is the scheme's default. */
export type AllowedHosts = ReadonlyMap<string, { readonly allowPrivateAddresses: boolean }>;

/**
 * All hosts that may be connected to. Structured-cloneable. If several entries of the allow-list lead
 * to one host, it is enough that one of them allows private addresses.
 */
export function allowedHosts({ hosts }: AllowList): AllowedHosts {
  const allowed = new Map<string, { allowPrivateAddresses: boolean }>();
  for (const [name, { baseUrl, redirectTo, allowPrivateAddresses }] of Object.entries(hosts)) {
    for (const url of [baseUrl ?? `https://${name}`, ...redirectTo]) {
      const { host } = new URL(url);
      const already = allowed.get(host)?.allowPrivateAddresses ?? false;
      allowed.set(host, { allowPrivateAddresses: already || allowPrivateAddresses });
    }
  }
  return allowed;
}

function join(base: string, path: string): string {
  // As users type it and git keeps it: `encodeURI` escapes what a path must not have raw, all but `?` and `#`.
  return `${withoutSlashes(base)}/${encodeURI(path).replace(/[?#]/g, encodeURIComponent)}`;
}

/** Without those at its end. A regular expression would look at each run of slashes from each of its slashes. */
function withoutSlashes(text: string): string {
  let end = text.length;
  while (text[end - 1] === '/') end--;
  return text.slice(0, end);
}
