import { type RepositoryId, repositoryKey } from '../repository.js';
import { type ArtifactId, isBundle } from './artifact.js';

/*
 * The keys of artifacts in a store.
 *
 *     snapshot/{host}/{path}                  the default snapshot
 *     variant/ref=v1/{host}/{path}            snapshots of other refs and depths: `depth=1`,
 *                                             `depth=1&ref=release:1.0`, slashes of refs as colons,
 *                                             which refs don't have
 *     variant/base={commit}/{host}/{path}     bundles
 *     check/{host}/{path}                     nothing, with what the upstream was found to have
 *     refusal/{host}/{path}                   nothing, with since when the upstream refuses it
 */
const VARIANT = 'variant/';

export function artifactKey(id: ArtifactId): string {
  const parameters: string[] = [];
  if (isBundle(id)) {
    parameters.push(`base=${id.base}`);
  } else {
    if (id.depth !== undefined) parameters.push(`depth=${id.depth}`);
    if (id.ref !== undefined) parameters.push(`ref=${id.ref.replaceAll('/', ':')}`);
  }
  if (parameters.length === 0) return `snapshot/${repositoryKey(id)}`;
  return `${VARIANT}${parameters.join('&')}/${repositoryKey(id)}`;
}

/** Anything but the repository's default snapshot. */
export function isVariant(id: ArtifactId): boolean {
  return artifactKey(id).startsWith(VARIANT);
}

/** Whether a store's key is of a variant of this repository. */
export function isVariantKey(key: string, repository: RepositoryId): boolean {
  if (!key.startsWith(VARIANT)) return false;
  return key.slice(key.indexOf('/', VARIANT.length) + 1) === repositoryKey(repository);
}

/** Of what processes that share a store tell each other about a repository's upstream. */
export function checkKey(repository: RepositoryId): string {
  return `check/${repositoryKey(repository)}`;
}

/** Of what is noted of a repository that its upstream refuses. */
export function refusalKey(repository: RepositoryId): string {
  return `refusal/${repositoryKey(repository)}`;
}
