import { join } from 'node:path';
import { inspect } from 'node:util';
import type {
  Credentials,
  CredentialsProvider,
  SnapshotErrorCode,
  SnapshotOptions,
} from '../../lib/index.js';
import { extract } from '../support/clone.js';
import { EVENT_NAMES } from '../support/event-names.js';
import { HOST } from '../support/host-app.js';
import { noisyUpstream, REPOSITORY } from '../support/noisy-upstream.js';
import { expectNothingLeft } from '../support/nothing-left.js';
import { expectProblem } from '../support/problem.js';
import { execute } from '../support/run.js';

const site = noisyUpstream();

describe('an upstream that wants credentials', () => {
  const right = { username: 'robot', password: 'hunter2 §ecret' };
  const secrets = [right.password, Buffer.from(`robot:${right.password}`).toString('base64')];

  test.each<[string, SnapshotErrorCode, Credentials | undefined]>([
    ['has no such repository for the anonymous', 'UPSTREAM_NOT_FOUND', undefined],
    ['denies wrong ones', 'UPSTREAM_DENIED', { ...right, username: 'rob' }],
  ])('%s', async (_name, code, credentials) => {
    site.upstream.fault(REPOSITORY, { kind: 'require-basic-auth', ...right });
    const { app, told } = await startTalkative(() => credentials);
    await expectProblem(app.snapshotUrl(REPOSITORY), code);
    await app.close();
    expectNone(told(), secrets);
    await expectNothingLeft(site.dataDir, site.upstream);
  });

  test('gets them in a header, and nobody else gets them anywhere', async () => {
    site.upstream.fault(REPOSITORY, { kind: 'require-basic-auth', ...right });
    const { app, told } = await startTalkative(async ({ host, path }) => {
      expect({ host, path }).toEqual({ host: HOST, path: REPOSITORY });
      return right;
    });
    const restored = join(await site.directory(), 'restored');
    await extract(app.snapshotUrl(REPOSITORY), restored);
    await app.router.service.delete({ host: HOST, path: REPOSITORY });
    site.upstream.fault(REPOSITORY, { kind: 'error-packet', message: 'oops', on: 'info-refs' });
    await app.close();
    expect(site.upstream.requests.map(({ authorization }) => authorization)).toEqual([true, true]);
    expect(told()).toMatch(/cloneFinished/);
    expectNone(told(), secrets);
    for (const secret of secrets) {
      const { stdout } = await execute('grep', ['-rlF', '-e', secret, site.dataDir, restored]);
      expect(stdout).toBe('');
    }
  });

  test.each([
    ['throws', () => Promise.reject(new Error(`no ${right.password}`))],
    ['hangs', () => new Promise<never>(() => {})],
  ])('a provider that %s fails the request', async (name, credentials) => {
    const limits = { cloneTimeout: 300 };
    const { app } = await startTalkative(credentials, { limits });
    const url = app.snapshotUrl(REPOSITORY);
    if (name === 'hangs') await expectProblem(url, 'UPSTREAM_TIMEOUT');
    else await expectProblem(url, 'INTERNAL', 500);
    await expectNothingLeft(site.dataDir, site.upstream);
    expect(site.upstream.requests).toEqual([]);
  });

  /** An app, and everything that it told its host by events and logs. */
  async function startTalkative(
    credentials: CredentialsProvider,
    options: Partial<SnapshotOptions> = {},
  ) {
    const records: unknown[] = [];
    const log = (level: string) => (fields: object, message: string) => {
      records.push([level, fields, message]);
    };
    const app = await site.startApp({
      hosts: { [HOST]: { baseUrl: site.upstream.url, allowPrivateAddresses: true, credentials } },
      logger: { warn: log('warn'), error: log('error') },
      ...options,
    });
    for (const name of EVENT_NAMES) {
      app.router.service.events.on(name, (event: object) => records.push([name, event]));
    }
    const told = () => inspect(records, { depth: Infinity, showHidden: true });
    return { app, told };
  }

  function expectNone(text: string, secrets: string[]): void {
    for (const secret of secrets) expect(text).not.toContain(secret);
  }
});
