import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SnapshotError } from '../../lib/index.js';
import { FaultyTier } from '../stores/tiered/faulty-tier.js';
import { freshRepository, next, read } from '../support/fresh-repository.js';
import { HOST } from '../support/host-app.js';
import { listenOnce } from '../support/service-events.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);

type Line = [level: 'warn' | 'error', message: string, fields: object];

function logger() {
  const lines: Line[] = [];
  const log = (level: Line[0]) => (fields: object, message: string) => {
    lines.push([level, message, fields]);
  };
  return { lines, warn: log('warn'), error: log('error') };
}

test('A failed write to the store is logged, although the client gets its snapshot', async () => {
  const repository = await freshRepository({ directory, defer });
  const store = new FaultyTier();
  const log = logger();
  const service = repository.start({ store, logger: log });
  const failed = next(service, 'store failed');
  listenOnce(service, 'build done', () => {
    store.state = 'failing';
  });
  await read(service, repository.snapshot);
  await failed;
  const fields = { repository: `${HOST}/${repository.path}`, err: expect.any(SnapshotError) };
  expect(log.lines).toEqual([['error', 'artifact not stored', expect.objectContaining(fields)]]);
});

test('A mirror that is found damaged at the start is logged', async () => {
  const repository = await freshRepository({ directory, defer });
  const earlier = repository.start();
  await read(earlier, repository.snapshot);
  await earlier.close({ drain: true });
  await rm(join(await repository.mirror(), 'objects'), { recursive: true });
  const log = logger();
  await next(repository.start({ logger: log }), 'mirrorCorrupted');
  const fields = { repository: `${HOST}/${repository.path}`, err: expect.any(SnapshotError) };
  expect(log.lines).toEqual([['error', 'mirror corrupted', expect.objectContaining(fields)]]);
});

test('A failed background check is logged with its job, although no request fails', async () => {
  const repository = await freshRepository({ directory, defer });
  const log = logger();
  const service = repository.start({ logger: log, freshness: { maxAge: 0, checkInterval: 0 } });
  await read(service, repository.snapshot);
  const ended = next(service, 'fetch failed');
  repository.upstream.fault(repository.path, { kind: 'status', status: 500 });
  await read(service, repository.snapshot);
  const { id } = await ended;
  const fields = {
    code: 'UPSTREAM_UNREACHABLE',
    repository: `${HOST}/${repository.path}`,
    jobId: id,
    err: expect.any(SnapshotError),
  };
  expect(log.lines).toEqual([['warn', 'repository not fetched', fields]]);
});

test('A failed start is logged, and fails `ready` of service and router', async () => {
  const repository = await freshRepository({ directory, defer });
  const dataDir = join(await directory(), 'data');
  await writeFile(dataDir, 'in the way');
  const log = logger();
  const app = await repository.startApp({ dataDir, logger: log });
  await expect(app.router.service.ready()).rejects.toMatchObject({ code: 'INTERNAL' });
  await expect(app.router.ready()).rejects.toMatchObject({ code: 'INTERNAL' });
  const fields = { code: 'INTERNAL', err: expect.any(SnapshotError) };
  expect(log.lines).toEqual([['error', 'start failed', expect.objectContaining(fields)]]);
  await rm(dataDir);
  await app.router.ready();
});

test('A logger that throws fails no request', async () => {
  const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  defer(async () => emitWarning.mockRestore());
  const repository = await freshRepository({ directory, defer });
  const store = new FaultyTier();
  const log = () => {
    throw new Error('the log is full');
  };
  const service = repository.start({ store, logger: { warn: log, error: log } });
  const failed = next(service, 'store failed');
  listenOnce(service, 'build done', () => {
    store.state = 'failing';
  });
  await read(service, repository.snapshot);
  await failed;
  const detail = expect.stringContaining('the log is full');
  expect(emitWarning).toHaveBeenCalledWith(expect.any(String), { detail });
});
