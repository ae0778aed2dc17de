import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
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

/** The programs that serve S3. Their first line of output says where. */
const PROGRAMS = {
  /** Quick, and installed by npm. Ignores conditions of writes. */
  fauxqs: resolve('examples/fleet/s3.js'),
  /** What people run. A suite that starts it `@needs swift`. */
  swift: fileURLToPath(new URL('./swift-program.js', import.meta.url)),
};

/** Starts an S3-compatible server that is not ours, on a free port of 127.0.0.1; it ends with the cleanup. */
export async function startS3Server(
  { directory, defer }: Cleanup,
  name: keyof typeof PROGRAMS = 'fauxqs',
): Promise<S3Server> {
  const program = startProgram({
    command: process.execPath,
    args: [PROGRAMS[name], await directory()],
    env: cleanEnvironment(),
  });
  const said = text(program.stderr);
  const stop = async () => {
    // Swift ends its own servers, which are not in its process group.
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
