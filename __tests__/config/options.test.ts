import { createSnapshotRouter, createSnapshotService, MemoryStore } from '../../lib/index.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);
const refusal = (name: string) =>
  expect.objectContaining({
    code: 'INVALID_OPTIONS',
    message: expect.stringContaining(name),
  });

test.each([
  ['authorize', { authorize: () => true }],
  ['redirectGit', { redirectGit: true }],
])('A service without HTTP refuses %s, which would have no effect', async (name, option) => {
  const options = { dataDir: await directory(), hosts: ['git.test'], ...option };
  expect(() => createSnapshotService(options)).toThrow(refusal(name));
  await createSnapshotRouter(options).close();
});

test('A limit of the default store is refused with another store', async () => {
  const options = {
    dataDir: await directory(),
    hosts: ['git.test'],
    budgets: { maxStoreBytes: 1000 },
  };
  const store = new MemoryStore({ maxBytes: 1000 });
  expect(() => createSnapshotRouter({ ...options, store })).toThrow(refusal('maxStoreBytes'));
  await createSnapshotRouter(options).close();
});
