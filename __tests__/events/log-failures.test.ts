import { rm } from 'node:fs/promises';
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
  await repository.start({ logger: log }).ready();
  const fields = { repository: `${HOST}/${repository.path}`, err: expect.any(SnapshotError) };
  expect(log.lines).toEqual([['error', 'mirror corrupted', expect.objectContaining(fields)]]);
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
