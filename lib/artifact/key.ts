import { type RepositoryId, repositoryKey } from '../repository.js';
import { type ArtifactId, isVariant } from './id.js';

/*
 * The keys of artifacts in a store.
 *
 *     snapshot/{host}/{path}                  the default snapshot
 *     variant/ref=v1/{host}/{path}            snapshots of other refs and depths: `depth=1`,
 *                                             `depth=1&ref=release:1.0`, slashes of refs as colons,
 *                                             which refs don't have
 *     variant/base={commit}/{host}/{path}     bundles
 *     check/{host}/{path}                     no bytes; the metadata has the result of the last check
 *     refusal/{host}/{path}                   no bytes; the metadata has the dates of the refusals
 */
const VARIANT = 'variant/';

export function artifactKey(id: ArtifactId): string {
  const name = repositoryKey(id.repository);
  if (!isVariant(id)) return `snapshot/${name}`;
  const parameters: string[] = [];
  if (id.kind === 'bundle') {
    parameters.push(`base=${id.base}`);
  } else {
    if (id.depth !== undefined) parameters.push(`depth=${id.depth}`);
    if (id.ref !== undefined) parameters.push(`ref=${id.ref.replaceAll('/', ':')}`);
  }
  return `${VARIANT}${parameters.join('&')}/${name}`;
}

/** Whether a key of the store is that of a variant of the repository. */
export function isVariantKey(key: string, repository: RepositoryId): boolean {
  if (!key.startsWith(VARIANT)) return false;
  return key.slice(key.indexOf('/', VARIANT.length) + 1) === repositoryKey(repository);
}

/** The key of the record of the last check, for processes that share the store. */
export function checkKey(repository: RepositoryId): string {
  return `check/${repositoryKey(repository)}`;
}

/** The key of the note that the upstream refuses a repository. */
export function refusalKey(repository: RepositoryId): string {
  return `refusal/${repositoryKey(repository)}`;
}
