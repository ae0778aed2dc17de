import { createSnapshotService } from '../../lib/service/index.js';
import { MemoryStore } from '../../lib/stores/index.js';
import { cleanup } from '../support/temporary-directory.js';

const { defer, directory } = cleanup(afterEach);

test('A ref with a lone surrogate, which has no UTF-8 form, is refused before the store sees it', async () => {
  const keys: string[] = [];
  const store = new MemoryStore({ maxBytes: 1e6 });
  store.stat = async (key) => void keys.push(key);
  const service = createSnapshotService({
    dataDir: await directory(),
    hosts: ['git.example'],
    store,
  });
  defer(() => service.close());
  const repository = { host: 'git.example', path: 'team/repo' };
  const stat = (ref: string) => service.statStored({ kind: 'snapshot', repository, ref });
  for (const ref of ['\ud83d', 'a\ude80', '\ude80\ud83d']) {
    await expect(stat(ref)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  }
  expect(keys).toEqual([]);
  await stat('\u{1f680}');
  expect(keys).toEqual([expect.stringContaining('\u{1f680}')]);
});
