import { parseOptions, parseServiceOptions } from '../../lib/config/options.js';
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
  ['clientIdleTimeout', { clientIdleTimeout: 1 }],
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

describe.each(['staleWhileRevalidate', 'staleIfError'])('freshness.%s', (name) => {
  const parse = (value: unknown) =>
    parseServiceOptions({ dataDir: 'data', hosts: ['git.test'], freshness: { [name]: value } });

  test.each([0, 1, 2 ** 40, Number.POSITIVE_INFINITY])('may be %d', (value) => {
    expect(parse(value).freshness).toMatchObject({ [name]: value });
  });

  test.each([-1, 1.5, Number.NEGATIVE_INFINITY, Number.NaN, '1', null])(
    'may not be %p',
    (value) => {
      expect(() => parse(value)).toThrow(refusal(`freshness.${name}: must be a whole number`));
    },
  );
});

test('The configuration is frozen deeply', () => {
  const hosts = { 'git.test': { redirectTo: ['https://other.test'] } };
  const config = parseOptions({ dataDir: 'data', hosts });
  const { concurrency, timeouts, limits, budgets, freshness, snapshot } = config;
  const groups = [concurrency, timeouts, limits, budgets, freshness, snapshot];
  const ofHosts = Object.values(config.hosts).flatMap((host) => [host, host.redirectTo]);
  for (const each of [config, ...groups, config.hosts, ...ofHosts]) {
    expect(Object.isFrozen(each)).toBe(true);
  }
  expect(Object.isFrozen(hosts['git.test'].redirectTo)).toBe(false);
});
