/**
 * @one-node-version
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { counter, freshRepository, read } from '../support/fresh-repository.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);

test('A failed start is tried again at the next request', async () => {
  const repository = await freshRepository({ directory, defer });
  const dataDir = join(await directory(), 'data');
  await writeFile(dataDir, 'in the way');
  const service = repository.start({ dataDir });
  await expect(service.ready()).rejects.toMatchObject({ code: 'INTERNAL' });
  await expect(read(service, repository.snapshot)).rejects.toThrow();
  await rm(dataDir);
  expect((await read(service, repository.snapshot)).commit).toBe(await repository.head());
  await service.ready();
});

test('A service whose start failed can be closed, and does not start again', async () => {
  const repository = await freshRepository({ directory, defer });
  const dataDir = join(await directory(), 'data');
  await writeFile(dataDir, 'in the way');
  const service = repository.start({ dataDir });
  await expect(service.ready()).rejects.toMatchObject({ code: 'INTERNAL' });
  await rm(dataDir);
  const clones = counter(service, 'clone started');
  await service.close();
  await expect(service.ready()).rejects.toMatchObject({ code: 'CLOSED' });
  await expect(read(service, repository.snapshot)).rejects.toMatchObject({ code: 'CLOSED' });
  expect(clones()).toBe(0);
});
