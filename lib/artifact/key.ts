import { type RepositoryId, repositoryKey } from '../repository.js';
import { type ArtifactId, defaultSnapshot } from './id.js';

/*
 * The keys of artifacts in a store. All keys of a repository begin with its prefix:
 *
 *     v1/{host}/{path}/snapshot                the default snapshot
 *     v1/{host}/{path}/snapshot&depth=1&ref=release:1.0
 *                                              snapshots of other refs and depths; slashes of refs
 *                                              as colons, which refs don't have
 *     v1/{host}/{path}/bundle                  the bundle of all branches and tags
 *     v1/{host}/{path}/bundle&base={commit}    bundles from a commit to HEAD
 *     v1/{host}/{path}/check                   no bytes; the metadata has the result of the last check
 *     v1/{host}/{path}/refusal                 no bytes; the metadata has the dates of the refusals
 *
 * The last segment has no slash, so keys of `{path}/b` begin with the prefix of `{path}`, but are
 * not keys of `{path}`.
 */
const SNAPSHOT = 'snapshot';
const BUNDLE = 'bundle';

export function artifactKey(id: ArtifactId): string {
  const parameters: string[] = [];
  if (id.kind === 'bundle') {
    if (id.base !== undefined) parameters.push(`&base=${id.base}`);
  } else {
    if (id.depth !== undefined) parameters.push(`&depth=${id.depth}`);
    if (id.ref !== undefined) parameters.push(`&ref=${id.ref.replaceAll('/', ':')}`);
  }
  const kind = id.kind === 'bundle' ? BUNDLE : SNAPSHOT;
  return `${repositoryPrefix(id.repository)}${kind}${parameters.join('')}`;
}

/** Nothing is stored under this key. To ask for it shows whether a store works. */
export const PROBE_KEY = artifactKey(defaultSnapshot({ host: '', path: '' }));

/** The artifact with this key; `undefined` for keys of other objects. The inverse of `artifactKey`. */
export function parseArtifactKey(key: string): ArtifactId | undefined {
  const match = /^v1\/([^/]+)\/(.+)\/([^/]+)$/s.exec(key);
  const [, host = '', path = '', name = ''] = match ?? [];
  const repository = { host, path };
  const bundle = /^bundle(?:&base=(.+))?$/s.exec(name);
  if (bundle !== null) {
    const [, base] = bundle;
    return { kind: 'bundle', repository, ...(base !== undefined && { base }) };
  }
  const snapshot = /^snapshot(?:&depth=(\d+))?(?:&ref=(.+))?$/s.exec(name);
  if (snapshot === null) return undefined;
  const [, depth, ref] = snapshot;
  return {
    kind: 'snapshot',
    repository,
    ...(depth !== undefined && { depth: Number(depth) }),
    ...(ref !== undefined && { ref: ref.replaceAll(':', '/') }),
  };
}

/** The keys of a repository begin with it, and so do those of repositories below its path. */
export function repositoryPrefix(repository: RepositoryId): string {
  return `v1/${repositoryKey(repository)}/`;
}

/** Whether a key of the store is that of a variant of the repository. */
export function isVariantKey(key: string, repository: RepositoryId): boolean {
  const prefix = repositoryPrefix(repository);
  const name = key.slice(prefix.length);
  if (!key.startsWith(prefix) || name.includes('/')) return false;
  return name === BUNDLE || name.startsWith(`${SNAPSHOT}&`) || name.startsWith(`${BUNDLE}&`);
}

/** The key of the record of the last check, for processes that share the store. */
export function checkKey(repository: RepositoryId): string {
  return `${repositoryPrefix(repository)}check`;
}

/** The key of the note that the upstream refuses a repository. */
export function refusalKey(repository: RepositoryId): string {
  return `${repositoryPrefix(repository)}refusal`;
}
