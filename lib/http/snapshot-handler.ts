import type { ArtifactSource, SnapshotId } from '../artifact/artifact.js';
import type { SnapshotConfig } from '../options.js';
import { repositoryName } from '../repository/identity.js';
import { createArtifactHandler } from './artifact-handler.js';
import { bundleUrl } from './bundle-url.js';
import type { ArtifactHandler } from './exchange.js';
import { rawQuery } from './raw-target.js';
import { parseSnapshotQuery } from './snapshot-query.js';

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
