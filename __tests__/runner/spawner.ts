import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { processesOf } from './processes.js';
import {
  encodeFrame,
  FrameType,
  type ProgramRequest,
  type SpawnerOrder,
} from './spawner-protocol.js';

/*
 * A small process that starts programs for the large processes that run tests. When its parent ends, in whatever
 * way, it kills all programs and all processes of the run, and removes the directory of temporary files.
 */

const [path, directory = ''] = process.argv.slice(2);

/** The functions that kill each running program with its children, by the ids of orders. */
const running = new Map<string, () => void>();
/** The ids of orders to kill, which may come before the order to start. */
const killed = new Set<string>();

const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {});
  let line = Buffer.alloc(0);
  const readLine = (chunk: Buffer) => {
    line = Buffer.concat([line, chunk]);
    const end = line.indexOf('\n');
    if (end < 0) return;
    socket.off('data', readLine);
    socket.pause();
    socket.unshift(line.subarray(end + 1));
    const order: SpawnerOrder = JSON.parse(line.toString('utf8', 0, end));
    if (order.kind === 'start') {
      start(socket, order.id, order.request);
    } else {
      killed.add(order.id);
      running.get(order.id)?.();
      socket.end();
    }
  };
  socket.on('data', readLine);
});

function start(socket: Socket, id: string, { command, args, cwd, env }: ProgramRequest): void {
  const child = spawn(command, args, { cwd, env, stdio: 'pipe', detached: true });
  let isOver = false;
  const send = (type: number, bytes: Buffer, source?: NodeJS.ReadableStream) => {
    if (socket.write(encodeFrame(type, bytes)) || source === undefined) return;
    source.pause();
    socket.once('drain', () => source.resume());
  };
  const finish = (outcome: object) => {
    isOver = true;
    send(FrameType.outcome, Buffer.from(JSON.stringify(outcome)));
    socket.end();
  };
  // A program may end without reading all of its input; its exit code says what that means.
  child.stdin.on('error', () => {});
  socket.pipe(child.stdin);
  child.stdout.on('data', (bytes: Buffer) => send(FrameType.stdout, bytes, child.stdout));
  child.stderr.on('data', (bytes: Buffer) => send(FrameType.stderr, bytes, child.stderr));
  child.once('error', (error) => finish({ error: { ...error, message: error.message } }));
  child.once('close', (code) => {
    if (!isOver) finish({ code });
  });
  const kill = () => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  };
  running.set(id, kill);
  if (killed.has(id)) kill();
  child.once('exit', () => {
    running.delete(id);
    killed.delete(id);
  });
  socket.once('close', () => running.get(id)?.());
}

/** Kills processes until none is left, because a running one may start another. */
async function killAll(): Promise<void> {
  for (let found = await processesOf(directory); found.length > 0; ) {
    for (const { id } of found) killProcess(id);
    await delay(10);
    found = await processesOf(directory);
  }
}

function killProcess(id: number): void {
  try {
    process.kill(id, 'SIGKILL');
  } catch {
    // The process has ended.
  }
}

server.listen(path, () => process.send?.('ready'));
process.once('disconnect', async () => {
  for (const kill of running.values()) kill();
  await killAll();
  await rm(directory, { recursive: true, force: true, maxRetries: 10 });
  process.exit();
});
