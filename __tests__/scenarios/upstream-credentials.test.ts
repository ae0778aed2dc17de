import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { withResolvers } from '../../lib/async/with-resolvers.js';
import { restoreSnapshot } from '../../lib/client/index.js';
import type {
  Credentials,
  CredentialsProvider,
  SnapshotErrorCode,
  SnapshotOptions,
} from '../../lib/index.js';
import { holdDeadlines, passDeadlines } from '../support/deadlines.js';
import { HOST, type HostApp } from '../support/host-app.js';
import { expectNothingLeft } from '../support/nothing-left.js';
import { ownRepository } from '../support/own-repository.js';
import { expectProblem } from '../support/problem.js';
import { EVENT_NAMES, listen } from '../support/service-events.js';
import { buildSmall } from '../support/small-repositories.js';

/** An hour, in milliseconds. The tests end the deadlines themselves. */
const DEADLINE = 3_600_000;

const repository = ownRepository(buildSmall);
const { defer, startApp } = repository;

describe('An upstream that demands credentials', () => {
  const right = { username: 'robot', password: 'hunter2 §ecret' };
  const secrets = [right.password, Buffer.from(`robot:${right.password}`).toString('base64')];

  test.each<[string, SnapshotErrorCode, Credentials | undefined]>([
    [
      'answers that there is no such repository without credentials',
      'UPSTREAM_NOT_FOUND',
      undefined,
    ],
    ['denies access with wrong credentials', 'UPSTREAM_DENIED', { ...right, username: 'rob' }],
  ])('%s', async (_name, code, credentials) => {
    const { upstream, path } = repository;
    upstream.fault(path, { kind: 'require-basic-auth', ...right });
    const { app, told } = await startTalkative(() => credentials);
    await expectProblem(app.snapshotUrl(path), code);
    await app.close();
    expectNone(told(), secrets);
    await expectNothingLeft(app.dataDir, upstream);
  });

  test('gets them in a header, and they appear nowhere else', async () => {
    const { upstream, path, id } = repository;
    upstream.fault(path, { kind: 'require-basic-auth', ...right });
    const { app, told } = await startTalkative(async ({ host, path }) => {
      expect({ host, path }).toEqual(id);
      return right;
    });
    const restored = join(await repository.directory(), 'restored');
    await restoreSnapshot({ url: app.snapshotUrl(path), directory: restored });
    await app.router.service.delete(defaultSnapshot(id));
    await app.close();
    const asked = upstream.requests.filter((request) => request.repository === path);
    expect(asked.map(({ authorization }) => authorization)).toEqual([true, true]);
    expect(told()).toMatch(/clone done/);
    expectNone(told(), secrets);
    for (const directory of [app.dataDir, restored]) {
      const contents = await contentsOf(directory);
      expect(contents).toContain('[core]');
      expectNone(contents, secrets);
    }
  });

  test('is reported to the provider of credentials when it has refused the last ones', async () => {
    const { upstream, path, id } = repository;
    upstream.fault(path, { kind: 'require-basic-auth', ...right });
    const wrong = { ...right, password: 'expired' };
    const asked: boolean[] = [];
    let given: Credentials | undefined = wrong;
    const { app } = await startTalkative(
      (_repository, { previousDenied, signal }) => {
        expect(signal).toBeInstanceOf(AbortSignal);
        asked.push(previousDenied);
        return given;
      },
      { freshness: { negativeCacheTtl: 0 } },
    );
    const { service } = app.router;
    const refused = expect.objectContaining({ code: 'UPSTREAM_DENIED' });
    await expect(service.refresh(id)).rejects.toEqual(refused);
    expect(asked).toEqual([false]);
    // A refusal of an anonymous request says nothing about credentials.
    given = undefined;
    await expect(service.refresh(id)).rejects.toMatchObject({ code: 'UPSTREAM_NOT_FOUND' });
    given = right;
    await service.refresh(id);
    expect(asked).toEqual([false, true, true]);
    await service.refresh(id);
    given = wrong;
    await expect(service.refresh(id)).rejects.toEqual(refused);
    expect(asked).toEqual([false, true, true, false, false]);
    upstream.heal(path);
    upstream.fault(path, { kind: 'status', status: 500 });
    await expect(service.refresh(id)).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
    await expect(service.refresh(id)).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
    expect(asked.slice(5)).toEqual([true, true]);
  });

  test('is asked again by `refresh` at once, when its refusal is still remembered', async () => {
    const { upstream, path, id } = repository;
    upstream.fault(path, { kind: 'require-basic-auth', ...right });
    let given = { ...right, password: 'expired' };
    const { app } = await startTalkative(() => given, {
      freshness: { negativeCacheTtl: DEADLINE },
    });
    await expectProblem(app.snapshotUrl(path), 'UPSTREAM_DENIED');
    given = right;
    await expectProblem(app.snapshotUrl(path), 'UPSTREAM_DENIED');
    const { etag } = await app.router.service.refresh(id);
    expect((await fetch(app.snapshotUrl(path), { method: 'HEAD' })).headers.get('etag')).toBe(etag);
  });

  test('gets no request if the provider returns no name and password', async () => {
    const wrong = Object.create({}, { token: { value: right.password } });
    const { app, told } = await startTalkative(() => wrong);
    await expectProblem(app.snapshotUrl(repository.path), 'INTERNAL', 500);
    expectNone(told(), secrets);
    await expectUnasked(app);
  });

  test('gets no request if the provider of credentials fails', async () => {
    const { app, told } = await startTalkative(() => Promise.reject(new Error('no route')));
    await expectProblem(app.snapshotUrl(repository.path), 'INTERNAL', 500);
    // Without the name of the option, the failure would seem to be that of the upstream.
    expect(told()).toContain(`credentials of ${HOST} failed: no route`);
    await expectUnasked(app);
  });

  test('gets no request while the provider of credentials hangs', async () => {
    const called = withResolvers<void>();
    const { app } = await startTalkative(
      () => {
        called.resolve();
        return new Promise<never>(() => {});
      },
      { timeouts: { refsTimeout: DEADLINE } },
    );
    const passDeadline = holdDeadlines(defer, DEADLINE);
    await Promise.all([
      expectProblem(app.snapshotUrl(repository.path), 'UPSTREAM_TIMEOUT'),
      called.promise.then(passDeadline),
    ]);
    await expectUnasked(app);
  });

  test('leaves clients the stored snapshot when the provider of credentials hangs', async () => {
    let hangs = false;
    const { app } = await startTalkative(() => (hangs ? new Promise<never>(() => {}) : undefined), {
      freshness: { maxAge: 0, staleWhileRevalidate: 0 },
      timeouts: { refsTimeout: DEADLINE },
    });
    const { service } = app.router;
    const { etag } = await service.refresh(repository.id);
    hangs = true;
    passDeadlines(defer, DEADLINE);
    const served = await service.get(defaultSnapshot(repository.id));
    served.body.destroy();
    expect([served.source, served.etag]).toEqual(['store', etag]);
  });

  async function expectUnasked({ dataDir }: HostApp): Promise<void> {
    const { upstream, path } = repository;
    await expectNothingLeft(dataDir, upstream);
    expect(upstream.requests.filter((request) => request.repository === path)).toEqual([]);
  }

  /** The contents of all files below a directory. */
  async function contentsOf(directory: string): Promise<string> {
    const files = await readdir(directory, { recursive: true, withFileTypes: true });
    const paths = files
      .filter((file) => file.isFile())
      .map((file) => join(file.parentPath, file.name));
    return (await Promise.all(paths.map((path) => readFile(path, 'utf8')))).join('\n');
  }

  /** An app, and everything that it reported to its host by events and logs. */
  async function startTalkative(
    credentials: CredentialsProvider,
    options: Partial<SnapshotOptions> = {},
  ) {
    const records: unknown[] = [];
    const log = (level: string) => (fields: object, message: string) => {
      records.push([level, fields, message]);
    };
    const app = await startApp({
      hosts: {
        [HOST]: { baseUrl: repository.upstream.url, allowPrivateAddresses: true, credentials },
      },
      logger: { warn: log('warn'), error: log('error') },
      ...options,
    });
    for (const name of EVENT_NAMES) {
      listen(app.router.service, name, (event: object) => records.push([name, event]));
    }
    const told = () => inspect(records, { depth: Infinity, showHidden: true });
    return { app, told };
  }

  function expectNone(text: string, secrets: string[]): void {
    for (const secret of secrets) expect(text).not.toContain(secret);
  }
});
