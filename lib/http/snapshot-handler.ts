import type { ArtifactSource, SnapshotId } from '../artifact/artifact.js';
import { checkDepth, checkRef } from '../artifact/validate-id.js';
import type { SnapshotConfig } from '../options.js';
import { type RepositoryId, repositoryName } from '../repository/identity.js';
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
    identify: ({ req, repository }) => ({ ...repository, ...parseSnapshotQuery(rawQuery(req)) }),
    filename: (id) => `${repositoryName(id)}.tar.zst`,
    headers: (id, { commit }) =>
      commit === undefined
        ? {}
        : { 'X-Cachew-Snapshot-Commit': commit, ...fastForward(id, commit) },
  });

  /** Bundles lead to HEAD, and so are of use to a checkout of HEAD with its whole history only. */
  function fastForward(id: SnapshotId, commit: string) {
    if (id.ref !== undefined || id.depth !== undefined) return {};
    const head = source.headOf(id);
    return head === undefined || head === commit
      ? {}
      : { 'X-Cachew-Bundle-Url': bundleUrl(id, commit) };
  }
}

/**
 * What a query selects: `ref` and `depth`, each at most once. Other parameters are ignored. Nothing
 * selected is the default snapshot.
 *
 * @throws SnapshotError `INVALID_REQUEST`
 */
export function parseSnapshotQuery(query: URLSearchParams): Pick<SnapshotId, 'ref' | 'depth'> {
  const ref = queryParameter(query, 'ref');
  const depth = queryParameter(query, 'depth');
  return {
    ...(ref !== undefined && { ref: parseRef(ref) }),
    ...(depth !== undefined && { depth: parseDepth(depth) }),
  };
}

/** 40 hex digits are an object id to git, whatever their case and whatever refs there are. */
function parseRef(text: string): string {
  if (/^[0-9a-f]{40}$/i.test(text)) return text.toLowerCase();
  checkRef(text);
  return text;
}

/** In decimal, and in one way only. */
function parseDepth(text: string): number {
  const depth = /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : Number.NaN;
  checkDepth(depth);
  return depth;
}

/**
 * Where clients find the bundle that fast-forwards a snapshot of `base`. It begins with `/git/`
 * wherever the router is mounted: cachew's clients join it to the base URL of their configuration.
 */
export function bundleUrl({ host, path }: RepositoryId, base: string): string {
  const segments = [host, ...path.split('/')].map(encodeSegment);
  return `/git/${segments.join('/')}/snapshot.bundle?base=${base}`;
}

/** A colon needs no escape in a segment (RFC 3986, section 3.3), and hosts have one before a port. */
function encodeSegment(text: string): string {
  return encodeURIComponent(text).replaceAll('%3A', ':');
}
