import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { BlobServiceClient } from '@azure/storage-blob';
import { Storage, type StorageOptions } from '@google-cloud/storage';
import { startProgram } from './program-start.js';
import { cleanEnvironment } from './run.js';
import type { Cleanup } from './temporary-directory.js';

/** The account of every Azurite, whose key is public. */
const KEY =
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

/** Starts Azurite, an emulator of Azure Blob Storage. @returns its connection string. */
export async function startAzurite({ directory, defer }: Cleanup): Promise<string> {
  const root = dirname(createRequire(import.meta.url).resolve('azurite/package.json'));
  const program = startProgram({
    command: process.execPath,
    args: [
      join(root, 'dist/src/blob/main.js'),
      ...['--blobHost', '127.0.0.1', '--blobPort', '0', '--skipApiVersionCheck'],
      ...['--inMemoryPersistence', '--disableTelemetry'],
    ],
    cwd: await directory(),
    env: cleanEnvironment(),
  });
  defer(async () => {
    program.kill();
    await program.closed;
  });
  const said = text(program.stderr);
  for await (const line of createInterface({ input: program.stdout })) {
    const [url] = /http:\/\/127.0.0.1:\d{2,}/.exec(line) ?? [];
    if (url === undefined) continue;
    const account = `AccountName=devstoreaccount1;AccountKey=${KEY}`;
    return `DefaultEndpointsProtocol=http;${account};BlobEndpoint=${url}/devstoreaccount1;`;
  }
  throw new Error(`Azurite did not start: ${await said}`);
}

/** @returns the name of a new one. */
export async function makeContainer(connectionString: string): Promise<string> {
  const name = `container-${process.hrtime.bigint()}`;
  await BlobServiceClient.fromConnectionString(connectionString).createContainer(name);
  return name;
}

/**
 * Starts fake-gcs-server, an emulator of Google Cloud Storage. A suite that starts it `@needs gcs`.
 *
 * @returns options of its clients.
 */
export async function startGcsServer({ defer }: Cleanup): Promise<StorageOptions> {
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const program = startProgram({
    command: 'fake-gcs-server',
    args: [
      ...['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port), '-public-host', host],
      ...['-backend', 'memory', '-log-level', 'error'],
    ],
    env: cleanEnvironment(),
  });
  let hasEnded = false;
  const ended = program.closed.then(() => {
    hasEnded = true;
  });
  defer(async () => {
    program.kill();
    await ended;
  });
  program.stdout.resume();
  const said = text(program.stderr);
  const apiEndpoint = `http://${host}`;
  while (!(await fetch(`${apiEndpoint}/_internal/healthcheck`).catch(() => undefined))?.ok) {
    if (hasEnded) throw new Error(`fake-gcs-server did not start: ${await said}`);
    await setTimeout(20);
  }
  return optionsOf(apiEndpoint);
}

/** Options of clients of an emulator, which need no credentials. */
export function optionsOf(apiEndpoint: string): StorageOptions {
  return { apiEndpoint, projectId: 'project' };
}

/** @returns the name of a new one. */
export async function makeGcsBucket(options: StorageOptions): Promise<string> {
  const name = `bucket-${process.hrtime.bigint()}`;
  await new Storage(options).createBucket(name);
  return name;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
