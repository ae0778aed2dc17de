import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { CreateBucketCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { startProgram } from './program-start.js';
import { cleanEnvironment } from './run.js';
import type { Cleanup } from './temporary-directory.js';

export interface S3Server {
  /** For the SDK's client. */
  readonly config: S3ClientConfig & { readonly endpoint: string; readonly region: string };
  /** Makes a bucket. @returns its name. */
  makeBucket(): Promise<string>;
  /** Kills it. Idempotent; the cleanup does it otherwise. */
  stop(): Promise<void>;
}

/**
 * Starts the S3-compatible server of the fleet example, on a free port of 127.0.0.1; it ends with the
 * cleanup. Its lists have ten objects a page, so that few make several.
 *
 * @throws Error that says what to install.
 */
export async function startS3Server({ directory, defer }: Cleanup): Promise<S3Server> {
  const program = startProgram({
    command: process.execPath,
    args: [resolve('examples/fleet/swift.js'), await directory()],
    env: { ...cleanEnvironment(), MAX_BUCKET_LISTING: '10' },
  });
  const said = text(program.stderr);
  const stop = async () => {
    // It ends its parts, which are no part of its process group.
    program.stdin.end();
    await program.closed;
  };
  defer(stop);
  const config = await firstLine(program.stdout);
  if (config === undefined) throw new Error(`the S3 server did not start: ${await said}`);

  const client = new S3Client(config);
  defer(() => client.destroy());
  let buckets = 0;
  const makeBucket = async () => {
    const bucket = `bucket-${++buckets}`;
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    return bucket;
  };
  return { config, makeBucket, stop };
}

async function firstLine(stdout: NodeJS.ReadableStream): Promise<S3Server['config'] | undefined> {
  for await (const line of createInterface({ input: stdout })) {
    return { ...JSON.parse(line), forcePathStyle: true };
  }
  return undefined;
}
