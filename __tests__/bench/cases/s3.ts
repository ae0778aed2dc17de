import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { S3Store } from '../../../lib/stores/s3/index.js';
import { HOST, type HostApp, startHostApp } from '../../support/host-app.js';
import { startS3Server } from '../../support/s3-server.js';
import { type Bench, compare } from '../bench.js';
import { download } from '../download.js';
import type { Result } from '../measure/result.js';
import { processUsage } from '../programs/usage.js';
import type { Repository } from '../repositories/repository.js';

/**
 * A stored snapshot from a bucket: through the app, and by a redirect to the bucket, against reading the
 * object with the SDK. App, SDK and client are in one process, whose CPU time is that of all three.
 */
export async function s3(bench: Bench, repository: Repository): Promise<Result[]> {
  const { scope, signal, upstream } = bench;
  const server = await startS3Server(scope);
  const bucket = await server.makeBucket();
  const path = await upstream.publish(repository);
  const start = async (serve: 'stream' | 'redirect'): Promise<HostApp> => {
    const store = new S3Store({ bucket, config: server.config, serve });
    const app = await startHostApp({
      dataDir: await scope.directory(),
      upstreamUrl: upstream.url,
      store,
    });
    scope.defer(() => app.close());
    return app;
  };
  const [stream, redirect] = [await start('stream'), await start('redirect')];
  await download(stream.snapshotUrl(path), { signal });
  await stream.router.service.refresh({ host: HOST, path });

  const client = new S3Client(server.config);
  scope.defer(async () => client.destroy());
  const timed = async (read: () => Promise<unknown>) => {
    const { cpuSeconds } = processUsage();
    const started = performance.now();
    await read();
    const seconds = (performance.now() - started) / 1000;
    return { seconds, cpuSeconds: processUsage().cpuSeconds - cpuSeconds };
  };
  const Key = `v1/${HOST}/${path}/snapshot.object`;
  const direct = async () => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
    if (!(Body instanceof Readable)) throw new Error('no body');
    await finished(Body.resume());
  };
  return [
    await compare(bench, {
      case: 's3',
      repository,
      reference: 'GetObject',
      sides: {
        ours: () => timed(() => download(stream.snapshotUrl(path), { signal })),
        'ours, redirected': () =>
          timed(async () => {
            await download(await locationOf(redirect.snapshotUrl(path)), { signal });
          }),
        GetObject: () => timed(direct),
      },
    }),
  ];
}

async function locationOf(url: string): Promise<string> {
  const { headers } = await fetch(url, { redirect: 'manual' });
  const location = headers.get('location');
  if (location === null) throw new Error('no redirect');
  return location;
}
