import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { BlobServiceClient } from '@azure/storage-blob';
import { Storage, type StorageOptions } from '@google-cloud/storage';
import { cleanEnvironment } from './run.js';
import { freePort, startServer } from './start-server.js';
import type { Cleanup } from './temporary-directory.js';

/** The account of every Azurite, whose key is public. */
const KEY =
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

/** Starts Azurite, an emulator of Azure Blob Storage. @returns its connection string. */
export async function startAzurite({ directory, defer }: Cleanup): Promise<string> {
  const root = dirname(createRequire(import.meta.url).resolve('azurite/package.json'));
  const request = {
    command: process.execPath,
    args: [
      join(root, 'dist/src/blob/main.js'),
      ...['--blobHost', '127.0.0.1', '--blobPort', '0', '--skipApiVersionCheck'],
      ...['--inMemoryPersistence', '--disableTelemetry'],
    ],
    cwd: await directory(),
    env: cleanEnvironment(),
  };
  const url = await startServer(request, defer);
  const account = `AccountName=devstoreaccount1;AccountKey=${KEY}`;
  return `DefaultEndpointsProtocol=http;${account};BlobEndpoint=${url}/devstoreaccount1;`;
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
  const request = {
    command: 'fake-gcs-server',
    args: [
      ...['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port), '-public-host', host],
      ...['-backend', 'memory'],
    ],
    env: cleanEnvironment(),
  };
  return optionsOf(await startServer(request, defer));
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
