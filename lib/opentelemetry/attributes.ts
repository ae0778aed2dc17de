import type { Attributes } from '@opentelemetry/api';
import { type ArtifactId, isVariant } from '../artifact/id.js';
import type { RequestedArtifact } from '../config/requested-artifact.js';
import { SnapshotError } from '../errors.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { InstrumentConfig } from './schema.js';

/** `git_snapshot.artifact` of what a client requested. */
export function requestedType({ artifact, ref, depth }: RequestedArtifact) {
  const isOfVariant = artifact === 'snapshot' && (ref !== undefined || depth !== undefined);
  return { 'git_snapshot.artifact': isOfVariant ? 'variant' : artifact };
}

/** `git_snapshot.artifact`: `snapshot`, the default one; `variant`, by ref or depth; or `bundle`. */
export function typeOf(id: ArtifactId) {
  const isSnapshotVariant = id.kind === 'snapshot' && isVariant(id);
  return { 'git_snapshot.artifact': isSnapshotVariant ? 'variant' : id.kind };
}

/** `error.type`: the code of a `SnapshotError`; none without an error. */
export function errorType(error: unknown) {
  if (error === undefined) return {};
  if (SnapshotError.is(error)) return { 'error.type': error.code };
  const isAbort = error instanceof Error && error.name === 'AbortError';
  return { 'error.type': isAbort ? 'ABORTED' : '_OTHER' };
}

export interface RepositoryAttribute extends Attributes {
  readonly 'git_snapshot.repository'?: string;
}

/** Gives metrics the attribute of a repository, if `perRepository` selects it. */
export function repositoryAttribute({ perRepository }: Pick<InstrumentConfig, 'perRepository'>) {
  return (repository: RepositoryId | undefined): RepositoryAttribute => {
    if (perRepository === false || repository === undefined) return {};
    if (perRepository !== true && !perRepository(repository)) return {};
    return { 'git_snapshot.repository': repositoryKey(repository) };
  };
}
