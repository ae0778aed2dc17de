import type { Request } from 'express';
import { type BundleId, isIncremental, isVariant, type SnapshotId } from '../artifact/id.js';
import { checkDepth, checkRef } from '../artifact/validate-id.js';
import type { RouterConfig } from '../config/options.js';
import { invalidRequest } from '../errors.js';
import { OID_PATTERN } from '../git/object.js';
import { type RepositoryId, repositoryName } from '../repository.js';
import type { SnapshotService } from '../service/snapshot-service.js';
import { createArtifactHandler } from './artifact-handler.js';
import { queryParameters } from './target.js';

const BUNDLE_TYPE = 'application/x-git-bundle';

/** `GET` and `HEAD` of `snapshot.tar.zst?ref={branch, tag or commit}&depth={commits}`. */
export function createSnapshotHandler(service: SnapshotService, config: RouterConfig) {
  return createArtifactHandler<SnapshotId>(service, config, {
    contentType: 'application/zstd',
    hasWaitFrames: true,
    identify: identifySnapshot,
    filename: ({ repository }) => `${repositoryName(repository)}.tar.zst`,
    headers: (id, { commit }) => {
      if (commit === undefined) return {};
      // Bundles lead to HEAD: they are only useful for a checkout of HEAD with its whole history.
      const head = isVariant(id) ? undefined : service.headCommit(id.repository);
      const isBehind = head !== undefined && head !== commit;
      return {
        'Snapshot-Commit': commit,
        'X-Cachew-Snapshot-Commit': commit,
        ...(isBehind && {
          Link: bundleLink(commit),
          'X-Cachew-Bundle-Url': bundleUrl(id.repository, commit),
        }),
      };
    },
  });
}

/**
 * `GET` and `HEAD` of `snapshot.bundle?base={commit}`. Without a base, the bundle has all branches
 * and tags. 204 if the upstream's HEAD is the base. Caches must not keep a 204: it holds only at
 * the moment of the check.
 */
export function createBundleHandler(service: SnapshotService, config: RouterConfig) {
  return createArtifactHandler<BundleId>(service, config, {
    contentType: BUNDLE_TYPE,
    // A bundle begins with its signature (gitformat-bundle).
    hasWaitFrames: false,
    identify: identifyBundle,
    filename: ({ repository }) => `${repositoryName(repository)}.bundle`,
    async answersInstead(id, { res, signal }) {
      if (!isIncremental(id) || !(await service.isHead(id, { signal }))) return false;
      res.writeHead(204, { 'Cache-Control': 'no-store' }).end();
      return true;
    },
  });
}

/**
 * Without `ref` and `depth`, the artifact is the default snapshot.
 *
 * @throws SnapshotError `INVALID_REQUEST`
 */
function identifySnapshot(req: Request, repository: RepositoryId): SnapshotId {
  const query = queryParameters(req, ['ref', 'depth']);
  const [ref, depth] = [query.get('ref'), query.get('depth')];
  return {
    kind: 'snapshot',
    repository,
    ...(ref !== undefined && { ref: parseRef(ref) }),
    ...(depth !== undefined && { depth: parseDepth(depth) }),
  };
}

/** git takes an object id, in upper or lower case, for the object, even if a ref has that name. */
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

/** @throws SnapshotError `INVALID_REQUEST` */
function identifyBundle(req: Request, repository: RepositoryId): BundleId {
  const base = queryParameters(req, ['base']).get('base');
  if (base === undefined) return { kind: 'bundle', repository };
  if (OID_PATTERN.test(base)) return { kind: 'bundle', repository, base };
  throw invalidRequest('base is not the object id of a commit, in lower case');
}

/** The relation of a snapshot to the bundle that brings it up to date (RFC 8288, 2.1.2). */
const BUNDLE_RELATION = 'urn:relation-type:express-git-snapshot:bundle';

/**
 * A link to the bundle that fast-forwards a snapshot of `base`. It is relative to the snapshot's
 * URL, so it needs no knowledge of the mount, nor of a proxy that changes the path.
 */
function bundleLink(base: string): string {
  return `<snapshot.bundle?base=${base}>; rel="${BUNDLE_RELATION}"; type="${BUNDLE_TYPE}"`;
}

/**
 * The path of the bundle that fast-forwards a snapshot of `base`. It begins with `/git/` at every
 * mount: cachew's clients join it to the base URL in their configuration.
 */
function bundleUrl({ host, path }: RepositoryId, base: string): string {
  // A segment may have colons (RFC 3986, section 3.3), and one precedes a port.
  const escapeSegment = (segment: string) => encodeURIComponent(segment).replaceAll('%3A', ':');
  const segments = [host, ...path.split('/')].map(escapeSegment);
  return `/git/${segments.join('/')}/snapshot.bundle?base=${base}`;
}
