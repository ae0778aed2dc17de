import type { ArtifactSource } from '../artifact/artifact.js';
import { isVariant, type SnapshotId } from '../artifact/id.js';
import { checkDepth, checkRef } from '../artifact/validate-id.js';
import type { SnapshotConfig } from '../config/options.js';
import { type RepositoryId, repositoryName } from '../repository.js';
import { createArtifactHandler } from './artifact-handler.js';
import type { ArtifactHandler } from './exchange.js';
import { queryParameter, rawQuery } from './target.js';

/** `GET` and `HEAD` of `snapshot.tar.zst?ref={branch, tag or commit}&depth={commits}`. */
export function createSnapshotHandler(
  source: ArtifactSource,
  config: Pick<SnapshotConfig, 'authorize' | 'limits'>,
): ArtifactHandler {
  return createArtifactHandler<SnapshotId>(source, config, {
    contentType: 'application/zstd',
    identify: ({ req, repository }) => ({
      kind: 'snapshot',
      repository,
      ...parseSnapshotQuery(rawQuery(req)),
    }),
    filename: ({ repository }) => `${repositoryName(repository)}.tar.zst`,
    headers: (id, { commit }) =>
      commit === undefined
        ? {}
        : { 'X-Cachew-Snapshot-Commit': commit, ...fastForward(id, commit) },
  });

  /** Bundles lead to HEAD: they are only useful for a checkout of HEAD with its whole history. */
  function fastForward(id: SnapshotId, commit: string) {
    if (isVariant(id)) return {};
    const head = source.headOf(id.repository);
    return head === undefined || head === commit
      ? {}
      : { 'X-Cachew-Bundle-Url': bundleUrl(id.repository, commit) };
  }
}

/**
 * Parses `ref` and `depth`, each given at most once. Ignores other parameters. Without both, the query selects
 * the default snapshot.
 *
 * @throws SnapshotError `INVALID_REQUEST`
 */
function parseSnapshotQuery(query: URLSearchParams): Pick<SnapshotId, 'ref' | 'depth'> {
  const ref = queryParameter(query, 'ref');
  const depth = queryParameter(query, 'depth');
  return {
    ...(ref !== undefined && { ref: parseRef(ref) }),
    ...(depth !== undefined && { depth: parseDepth(depth) }),
  };
}

/** git takes 40 hex digits for an object id, in any case, even if a ref has that name. */
function parseRef(text: string): string {
  if (/^[0-9a-f]{40}$/i.test(text)) return text.toLowerCase();
  checkRef(text);
  return text;
}

/** A decimal number without leading zeros. */
function parseDepth(text: string): number {
  const depth = /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : Number.NaN;
  checkDepth(depth);
  return depth;
}

/**
 * The path of the bundle that fast-forwards a snapshot of `base`. It begins with `/git/` wherever the router
 * is mounted: cachew's clients join it to the base URL in their configuration.
 */
export function bundleUrl({ host, path }: RepositoryId, base: string): string {
  const segments = [host, ...path.split('/')].map(encodeSegment);
  return `/git/${segments.join('/')}/snapshot.bundle?base=${base}`;
}

/** A colon needs no escape in a segment (RFC 3986, section 3.3), and hosts have one before a port. */
function encodeSegment(text: string): string {
  return encodeURIComponent(text).replaceAll('%3A', ':');
}
