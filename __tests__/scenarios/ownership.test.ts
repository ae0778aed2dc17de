import { once } from 'node:events';
import { createServer } from 'node:http';
import express from 'express';
import {
  createSnapshotRouter,
  createSnapshotService,
  FileSystemStore,
  MemoryLocks,
  MemoryStore,
  type SnapshotService,
  TieredStore,
} from '../../lib/index.js';
import type { LockRegistry } from '../../lib/locks/index.js';
import { type FreshRepository, freshRepository, read } from '../support/fresh-repository.js';
import { HOST } from '../support/host-app.js';
import { expectProblem } from '../support/problem.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const inMemory = () => new MemoryStore({ maxBytes: 1 });
let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
});

/** Serves an app. @returns its URL. */
async function listen(app: express.Express): Promise<string> {
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the app does not listen');
  return `http://127.0.0.1:${address.port}`;
}

describe('A service with two routers', () => {
  let service: SnapshotService;
  let url: (mount: string, file?: string) => string;

  beforeEach(async () => {
    service = repository.start();
    const open = createSnapshotRouter({ service });
    const guarded = createSnapshotRouter({
      service,
      authorize: (req) => req.headers.authorization === 'right',
      redirectGit: true,
    });
    const origin = await listen(express().use('/open', open).use('/guarded', guarded));
    url = (mount, file = 'snapshot.tar.zst') =>
      `${origin}/${mount}/${HOST}/${repository.path}/${file}`;
  });

  test('serves the same snapshot by both, and each has its own rights', async () => {
    const { bytes } = await read(service, repository.snapshot);
    await expectProblem(url('guarded'), 'FORBIDDEN', 403);
    const headers = { authorization: 'right' };
    for (const response of [await fetch(url('open')), await fetch(url('guarded'), { headers })]) {
      expect(response.status).toBe(200);
      expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
    }
    expect(repository.upstream.uploadPacks(repository.path)).toBe(1);
  });

  test('redirects git by one of them only', async () => {
    const statusOf = async (mount: string) => {
      const target = url(mount, 'info/refs?service=git-upload-pack');
      const headers = { authorization: 'right' };
      return (await fetch(target, { headers, redirect: 'manual' })).status;
    };
    expect([await statusOf('open'), await statusOf('guarded')]).toEqual([404, 307]);
  });

  test('goes on when a router is closed', async () => {
    const router = createSnapshotRouter({ service });
    expect(router.service).toBe(service);
    await router.close();
    await read(service, repository.snapshot);
    expect((await fetch(url('open'))).status).toBe(200);
  });
});

test('A router for an existing service takes no options of services, and refuses an object that is no service', () => {
  const service = repository.start();
  const { dataDir } = repository;
  const wrong: [options: object, named: string][] = [
    [{ service, dataDir }, 'dataDir'],
    [{ service: {} }, 'service: must be a SnapshotService'],
    [{ service, redirectGit: 1 }, 'redirectGit'],
  ];
  for (const [options, named] of wrong) {
    const create = () => Reflect.apply(createSnapshotRouter, undefined, [options]);
    expect(create).toThrow(expect.objectContaining({ code: 'INVALID_OPTIONS' }));
    expect(create).toThrow(named);
  }
});

describe('Closing a service', () => {
  test('leaves open the store and the locks that the app made', async () => {
    const store = new MemoryStore({ maxBytes: 1e6 });
    const locks: LockRegistry = Object.assign(new MemoryLocks(), { close: async () => {} });
    const closes = [jest.spyOn(store, 'close'), jest.spyOn(locks, 'close')];
    defer(() => store.close());
    const service = repository.start({ store, locks });
    const built = await read(service, repository.snapshot);
    await service.close();
    for (const close of closes) expect(close).not.toHaveBeenCalled();

    const other = repository.start({ store, locks, dataDir: await directory() });
    expect(await read(other, repository.snapshot)).toMatchObject({
      source: 'store',
      etag: built.etag,
    });
  });

  test('closes the store that it made', async () => {
    const close = jest.spyOn(FileSystemStore.prototype, 'close');
    defer(() => close.mockRestore());
    await repository.start().close();
    expect(close).toHaveBeenCalledTimes(1);
  });
});

test('Closing a TieredStore leaves open the stores that the app has made', async () => {
  const parts = { local: inMemory(), shared: inMemory() };
  const closes = Object.values(parts).map((store) => jest.spyOn(store, 'close'));
  await new TieredStore(parts).close();
  for (const close of closes) expect(close).not.toHaveBeenCalled();
});

test.each<[string, () => MemoryStore | FileSystemStore | TieredStore]>([
  ['a MemoryStore', () => new MemoryStore({ maxBytes: 1 })],
  ['a FileSystemStore', () => new FileSystemStore({ directory: repository.dataDir })],
  ['a TieredStore', () => new TieredStore({ local: inMemory(), shared: inMemory() })],
])('The block that declares %s closes it', async (_, make) => {
  const closes: unknown[] = [];
  {
    await using store = make();
    closes.push(jest.spyOn(store, 'close'));
    expect(closes[0]).not.toHaveBeenCalled();
  }
  expect(closes[0]).toHaveBeenCalledTimes(1);
});

test('A service and its router end with the block that declares them', async () => {
  const options = { dataDir: repository.dataDir, hosts: [HOST] };
  let service: SnapshotService;
  {
    await using made = createSnapshotService(options);
    service = made;
  }
  await expect(service.get(repository.snapshot)).rejects.toMatchObject({ code: 'CLOSED' });
  {
    await using router = createSnapshotRouter(options);
    service = router.service;
  }
  await expect(service.get(repository.snapshot)).rejects.toMatchObject({ code: 'CLOSED' });
});
