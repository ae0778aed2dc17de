import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { S3Store } from '../../lib/stores/s3/index.js';
import { storeContract } from '../../lib/testing/index.js';
import { assertContent, contentOf, listedKeys, put } from '../../lib/testing/store-content.js';
import { isExecutable } from '../runner/programs.js';
import { fakeDate } from '../support/fake-date.js';
import { cleanup } from '../support/temporary-directory.js';

const MIB = 1024 * 1024;
const PART = 5 * MIB;
const KEYS = { accessKeyId: 'test', secretAccessKey: 'secret-of-test' };

interface Server {
  readonly command: string;
  /** What is started. Default: the command. */
  readonly program?: readonly [string, ...string[]];
  /** How to install it. */
  readonly install: string;
  readonly args: (port: number, directory: string) => readonly string[];
  /** Whether it checks conditions when an upload in parts is completed. */
  readonly checksUploads: boolean;
  readonly checksSignatures: boolean;
  /** Tests of the contract with keys that the server does not take. */
  readonly tooLong?: readonly string[];
}

/** They have segments of more than 255 bytes, which are no names of files. */
const LONG_KEYS = [
  'different keys are different objects',
  'list returns every key exactly as it was stored',
  'list returns the objects whose keys begin with the prefix, and no others',
  'delete removes nothing else',
  'a key that only looks like a stored one is a miss',
];

/**
 * moto checks a condition and writes in two steps. In its threads, of two writers that come at the
 * same time both may win: they come one after the other here.
 */
const MOTO_WITH_ATOMIC_WRITES = `
import sys, threading
from moto.s3.responses import S3Response
from moto.server import main
lock = threading.Lock()
put_object = S3Response.put_object
def put_object_alone(self, *args, **options):
    with lock:
        return put_object(self, *args, **options)
S3Response.put_object = put_object_alone
main(sys.argv[1:])
`;

const SERVERS: readonly Server[] = [
  {
    command: 'moto_server',
    program: ['python3', '-c', MOTO_WITH_ATOMIC_WRITES],
    install: "pip install 'moto[server]'",
    args: (port) => ['-H', '127.0.0.1', '-p', String(port)],
    checksUploads: false,
    checksSignatures: false,
  },
  {
    command: 'versitygw',
    install: 'go install github.com/versity/versitygw/cmd/versitygw@latest',
    args: (port, directory) => ['--port', `127.0.0.1:${port}`, 'posix', join(directory, 'data')],
    checksUploads: true,
    checksSignatures: true,
    tooLong: LONG_KEYS,
  },
];

describe.each(SERVERS)('With $command', (server) => {
  const isThere = (process.env.PATH ?? '')
    .split(delimiter)
    .some((folder) => isExecutable(join(folder, server.command)));
  if (!isThere) {
    test.skip(`an S3Store keeps the contract: not installed. ${server.install}`, () => {});
    return;
  }

  const resources = cleanup(afterAll);
  const each = cleanup(afterEach);
  let client: S3Client;
  let buckets = 0;
  let bucket: string;

  beforeAll(async () => {
    const endpoint = await start(server, resources);
    client = new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: KEYS,
    });
    resources.defer(() => client.destroy());
  });

  beforeEach(async () => {
    bucket = `bucket-${++buckets}`;
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  });

  const make = () => new S3Store({ bucket, client, partSize: PART });

  describe('an S3Store keeps the contract, also in several parts:', () => {
    storeContract({
      test: (name, run) => (server.tooLong?.includes(name) ? test.skip : test)(name, run),
      factory: () => ({ store: make(), reopen: make, bytesInParts: PART + 1 }),
    });
  });

  test('a large object has a pointer only if the server does not check uploads', async () => {
    await put(make(), 'key', contentOf('a', PART + 1), {}, { ifRevision: null });
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
    const hasPointer = Contents.some(({ Key }) => Key?.startsWith('!large/key.object/'));
    expect(hasPointer).toBe(!server.checksUploads);
    await assertContent(make(), 'key', contentOf('a', PART + 1));
  });

  test('a list of one repository among many takes one list', async () => {
    const keys = Array.from({ length: 1500 }, (_, index) => `v1/host/repository${index}/snapshot`);
    for (let at = 0; at < keys.length; at += 50)
      await Promise.all(keys.slice(at, at + 50).map((key) => put(make(), key, contentOf(key, 10))));
    const requests: string[] = [];
    client.middlewareStack.add(
      (next, { commandName = '' }) =>
        async (args) => {
          requests.push(commandName);
          return await next(args);
        },
      { name: 'count' },
    );
    each.defer(() => void client.middlewareStack.remove('count'));
    expect(await listedKeys(make(), 'v1/host/repository7/')).toEqual([
      'v1/host/repository7/snapshot',
    ]);
    expect(requests).toEqual(['ListObjectsV2Command', 'HeadObjectCommand']);
  });

  test.each([-10, 10])(
    'a presigned URL works if the clock is %d minutes wrong',
    async (minutes) => {
      const store = make();
      await put(store, 'key', contentOf('a'));
      fakeDate(each.defer, minutes * 60_000);
      const url = new URL((await store.presign('key', { expiresIn: 60 })) ?? '');
      expect((await fetch(url)).status).toBe(200);
      url.searchParams.set('X-Amz-Signature', 'wrong');
      if (server.checksSignatures) expect((await fetch(url)).status).toBe(403);
    },
  );
});

/** @returns its URL. */
async function start(
  { command, program = [command], args }: Server,
  { directory, defer }: ReturnType<typeof cleanup>,
): Promise<string> {
  const port = await freePort();
  const path = await directory();
  await mkdir(join(path, 'data'));
  const env = {
    ...process.env,
    ROOT_ACCESS_KEY: KEYS.accessKeyId,
    ROOT_SECRET_KEY: KEYS.secretAccessKey,
  };
  const [file, ...first] = program;
  const child = spawn(file, [...first, ...args(port, path)], { env, stdio: 'ignore' });
  const gone = once(child, 'exit');
  defer(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`${command} has ended`);
    await delay(50);
  }
  return `http://127.0.0.1:${port}`;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  return await new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).then((isUp) => {
    socket.destroy();
    return isUp === true;
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
