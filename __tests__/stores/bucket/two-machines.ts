import type { SnapshotStore } from '../../../lib/stores/store.js';
import { freshRepository, read } from '../../support/fresh-repository.js';
import type { Cleanup } from '../../support/temporary-directory.js';

/** Checks that one machine serves a snapshot that another one has built, even if the upstream is gone. */
export async function expectServedByTheOther(
  makeStore: () => SnapshotStore,
  resources: Cleanup,
): Promise<void> {
  const repository = await freshRepository(resources);
  const start = async () =>
    repository.start({ dataDir: await resources.directory(), store: makeStore() });
  const [first, second] = [await start(), await start()];
  const { bytes, etag, commit } = await read(first, repository.snapshot);
  await first.close({ drain: true });
  await repository.upstream.close();
  const served = await read(second, repository.snapshot);
  expect({ ...served, bytes: served.bytes.equals(bytes) }).toEqual({
    source: 'store',
    bytes: true,
    etag,
    commit,
  });
}
