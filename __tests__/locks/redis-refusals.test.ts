/**
 * @needs redis
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { MemoryLocks, MemoryStore } from '../../lib/index.js';
import { withFallback } from '../../lib/locks/index.js';
import { RedisLocks } from '../../lib/locks/redis.js';
import { serverCertificate } from '../support/certificate.js';
import { freshRepository } from '../support/fresh-repository.js';
import { RedisServer } from '../support/redis-server.js';
import { cleanup } from '../support/temporary-directory.js';
import { freePort } from '../support/web-server.js';
import { sharedRedis } from './shared-redis.js';

const { directory, defer } = cleanup(afterEach);
const redis = sharedRedis();

function connectAs(username: string, password: string) {
  const client = new Redis({ path: redis.server.url, username, password });
  client.on('error', () => {});
  defer(() => client.disconnect());
  return { client };
}

const refusal = (text: string) => ({
  code: 'INVALID_OPTIONS',
  message: expect.stringContaining(text),
});

async function setUser(...rights: string[]): Promise<void> {
  await redis.server.ask((client) => client.call('ACL', 'SETUSER', 'app', 'reset', ...rights));
}

describe('A Redis server that refuses these locks', () => {
  test('because of a wrong password makes requests fail instead of using the fallback', async () => {
    await setUser('on', '>right', '~*', '+@all');
    const locks = withFallback(redis.registry(connectAs('app', 'wrong')), new MemoryLocks());
    await expect(locks.ready()).rejects.toMatchObject(refusal('WRONGPASS'));
    await expect(locks.acquire('key')).rejects.toMatchObject(refusal('WRONGPASS'));
    const right = redis.registry(connectAs('app', 'right'));
    await right.ready();
    await (await right.acquire('key')).release();
    expect(await redis.server.keys()).toEqual([]);
  });

  test.each([
    ['the keys', ['~other:*', '+@all'], 'keys'],
    ['the commands', ['~*', '+@all', '-set'], "'set'"],
    ['the scripts that renew and release a lock', ['~*', '+@all', '-@scripting'], "'evalsha'"],
  ])('because of missing rights to %s is noticed at the start', async (_, rights, named) => {
    await setUser('on', '>right', ...rights);
    const locks = redis.registry(connectAs('app', 'right'));
    await expect(locks.ready()).rejects.toMatchObject(refusal('NOPERM'));
    await expect(locks.ready()).rejects.toMatchObject(refusal(named));
    await redis.server.ask((client) => client.flushall());
  });

  test('because it is a read-only replica is noticed at the start', async () => {
    await redis.server.ask((client) => client.replicaof('127.0.0.1', '1'));
    try {
      await expect(redis.registry().ready()).rejects.toMatchObject(refusal('READONLY'));
    } finally {
      await redis.server.ask((client) => client.call('REPLICAOF', 'NO', 'ONE'));
    }
  });

  test('keeps a service from starting', async () => {
    await setUser('on', '>right', '~*', '+@all');
    const repository = await freshRepository({ directory, defer });
    const locks = withFallback(redis.registry(connectAs('app', 'wrong')), new MemoryLocks());
    const service = repository.start({ locks, store: new MemoryStore({ maxBytes: 1e6 }) });
    await expect(service.ready()).rejects.toMatchObject(refusal('WRONGPASS'));
    await expect(service.get(repository.snapshot)).rejects.toMatchObject(refusal('WRONGPASS'));
    await setUser('on', '>wrong', '~*', '+@all');
    await service.ready();
    (await service.get(repository.snapshot)).body.destroy();
  });
});

test('A registry whose server can not be reached is ready, as that may change', async () => {
  await redis.registry({ url: `${redis.server.url}.missing` }).ready();
});

describe('A wrong TLS setting is noticed at the start:', () => {
  let tls: { url: string; ca: string };
  const registry = (url: string) => {
    const locks = new RedisLocks({ url, responseTimeout: 1000 });
    defer(() => locks.close());
    return locks;
  };

  beforeEach(async () => {
    const { ca, cert, key } = serverCertificate('localhost');
    const at = await directory();
    const [certFile, keyFile] = [join(at, 'cert'), join(at, 'key')];
    await writeFile(certFile, cert);
    await writeFile(keyFile, key);
    const port = await freePort();
    const server = await RedisServer.start({
      bind: '127.0.0.1',
      'tls-port': String(port),
      'tls-cert-file': certFile,
      'tls-key-file': keyFile,
      'tls-auth-clients': 'no',
    });
    defer(() => server.close());
    tls = { url: `://127.0.0.1:${port}`, ca };
  });

  test('a certificate that nobody trusts', async () => {
    const failure = {
      code: 'INVALID_OPTIONS',
      cause: { code: expect.stringMatching(/CERT|VERIFY/) },
    };
    await expect(registry(`rediss${tls.url}`).ready()).rejects.toMatchObject(failure);
    const client = new Redis(`rediss${tls.url}`, { tls: { ca: tls.ca } });
    defer(() => client.disconnect());
    const trusting = redis.registry({ client });
    await trusting.ready();
    await (await trusting.acquire('key')).release();
  });

  test('a URL without TLS for a server with TLS', async () => {
    await expect(registry(`redis${tls.url}`).ready()).rejects.toMatchObject(refusal('rediss://'));
  });

  test('a URL with TLS for a server without TLS', async () => {
    const port = await freePort();
    const server = await RedisServer.start({ bind: '127.0.0.1', port: String(port) });
    defer(() => server.close());
    const locks = registry(`rediss://127.0.0.1:${port}`);
    await expect(locks.ready()).rejects.toMatchObject(refusal('redis://'));
  });
});
