import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';

/*
 * Runs two replicas on this machine, and a Redis server and an S3-compatible server for them, until the process
 * is stopped. S3_ENDPOINT and REDIS_URL name existing servers to use instead.
 */

const { S3_BUCKET = 'snapshots', PORTS = '3001,3002', REDIS_URL, S3_ENDPOINT } = process.env;

/** The data of all processes that this script starts; removed at the end. */
const directory = await mkdtemp(join(tmpdir(), 'fleet-'));
const children = new Set();
let isStopping = false;

/** Ends all processes. A second call no longer waits for running downloads. */
async function stop() {
  for (const child of children) child.kill(isStopping ? 'SIGKILL' : 'SIGTERM');
  if (isStopping) return;
  isStopping = true;
  await Promise.all([...children].map((child) => once(child, 'exit')));
  await rm(directory, { recursive: true, force: true });
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);

async function fail(message) {
  if (isStopping) return;
  console.error(message);
  process.exitCode = 1;
  await stop();
}

/** @param onExit called if the program ends before `stop` is called. */
function start(command, args, { env = {}, stdout = 'inherit', onExit }) {
  const child = spawn(command, args, {
    stdio: ['pipe', stdout, 'inherit'],
    env: { ...process.env, ...env },
    // Ctrl-C of a terminal must reach only this process, which ends the others.
    detached: true,
  });
  children.add(child);
  child.once('error', ({ message }) => {
    children.delete(child);
    fail(message);
  });
  child.once('exit', (code, signal) => {
    children.delete(child);
    if (!isStopping) onExit(`ended with ${code ?? signal}`);
  });
  return child;
}

const beside = (name) => fileURLToPath(new URL(name, import.meta.url));

/** @returns environment variables for the AWS SDK of the replicas. */
async function startS3() {
  const server = start(process.execPath, [beside('s3.js')], {
    stdout: 'pipe',
    onExit: (how) => fail(`the S3 server ${how}: set S3_ENDPOINT to use another one`),
  });
  for await (const line of createInterface({ input: server.stdout })) {
    const { endpoint, region, credentials } = JSON.parse(line);
    return {
      S3_ENDPOINT: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    };
  }
  return {};
}

function startRedis() {
  const socket = join(directory, 'redis.sock');
  const settings = ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', directory];
  start('redis-server', settings, {
    stdout: 'ignore',
    onExit: (how) => fail(`redis-server ${how}`),
  });
  return socket;
}

async function makeBucket() {
  const client = new S3Client({ endpoint: process.env.S3_ENDPOINT, forcePathStyle: true });
  try {
    await client.send(new CreateBucketCommand({ Bucket: S3_BUCKET }));
  } catch (error) {
    const { name, message } = error;
    if (!/^BucketAlready/.test(name))
      throw new Error(`no bucket ${S3_BUCKET}: ${name}: ${message}`);
  } finally {
    client.destroy();
  }
}

let running = 0;

/** Resolves with the replica's URL when it accepts requests, or with `undefined` if it ends before. */
function startReplica(port, redisUrl) {
  const name = `replica ${++running}`;
  const child = start(process.execPath, [beside('replica.js')], {
    env: { PORT: port, DATA_DIR: join(directory, name), REDIS_URL: redisUrl },
    stdout: 'pipe',
    onExit: (how) => {
      if (--running === 0) fail(`${name} ${how}, as the last one`);
      else console.error(`${name} ${how}; the others go on`);
    },
  });
  return new Promise((resolve) => {
    child.once('exit', () => resolve(undefined));
    createInterface({ input: child.stdout }).on('line', (line) => {
      console.log(`${name}: ${line}`);
      const [, url] = /^listening on (\S+)$/.exec(line) ?? [];
      if (url !== undefined) resolve(url);
    });
  });
}

try {
  if (S3_ENDPOINT === undefined) Object.assign(process.env, await startS3());
  if (!isStopping) await makeBucket();
} catch (error) {
  await fail(error.message);
}
if (!isStopping) {
  const redisUrl = REDIS_URL ?? startRedis();
  const urls = await Promise.all(PORTS.split(',').map((port) => startReplica(port, redisUrl)));
  if (!isStopping) console.log(`ready: ${urls.filter((url) => url !== undefined).join(' ')}`);
}
