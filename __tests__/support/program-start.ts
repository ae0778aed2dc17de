import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import {
  FrameReader,
  FrameType,
  type ProgramRequest,
  type SpawnerOrder,
} from '../runner/spawner-protocol.js';

/** A program that runs. */
export interface StartedProgram {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The exit code, when all output has been read; `null` when a signal ended the program. */
  readonly closed: Promise<number | null>;
  /** Kills it with all that it started. Idempotent. */
  kill(): void;
}

/**
 * Starts a program: by the spawner, if jest has started one, because a process that holds as much memory
 * as a test runner does takes some 30 ms to start another one, and stands still meanwhile.
 */
export function startProgram(request: ProgramRequest): StartedProgram {
  const socket = process.env.TEST_SPAWNER;
  return socket === undefined ? startHere(request) : startThere(request, socket);
}

function startHere({ command, args, cwd, env }: ProgramRequest): StartedProgram {
  // The leader of a process group, so that the whole group can be killed.
  const child = spawn(command, args, { cwd, env, stdio: 'pipe', detached: true });
  const closed = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  let isOver = false;
  child.once('exit', () => {
    isOver = true;
  });
  const kill = () => {
    if (child.pid !== undefined && !isOver) process.kill(-child.pid, 'SIGKILL');
  };
  return { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, closed, kill };
}

function startThere(request: ProgramRequest, path: string): StartedProgram {
  const id = randomUUID();
  const open = (order: SpawnerOrder) => {
    const socket = connect({ path, allowHalfOpen: true });
    // The outcome of the program shows the failure.
    socket.on('error', () => {});
    socket.write(`${JSON.stringify(order)}\n`);
    return socket;
  };
  const socket = open({ kind: 'start', id, request });
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const frames = new FrameReader();
  const closed = new Promise<number | null>((resolve, reject) => {
    let isOver = false;
    socket.on('data', (chunk) => {
      for (const { type, bytes } of frames.push(chunk)) {
        if (type === FrameType.stdout) pass(stdout, bytes);
        else if (type === FrameType.stderr) pass(stderr, bytes);
        else {
          isOver = true;
          stdout.end();
          stderr.end();
          const outcome: { code: number | null; error?: { message: string; code?: string } } =
            JSON.parse(bytes.toString());
          if (outcome.error === undefined) resolve(outcome.code);
          else reject(Object.assign(new Error(outcome.error.message), outcome.error));
        }
      }
    });
    const pass = (stream: PassThrough, bytes: Buffer) => {
      // The reader may be gone.
      if (stream.destroyed || stream.write(bytes) || socket.isPaused()) return;
      socket.pause();
      const resume = () => {
        stream.off('drain', resume).off('close', resume);
        socket.resume();
      };
      stream.once('drain', resume).once('close', resume);
    };
    socket.once('close', () => {
      stdout.end();
      stderr.end();
      if (!isOver) resolve(null);
    });
  });
  const kill = () => void open({ kind: 'kill', id }).resume().end();
  return { stdin: socket, stdout, stderr, closed, kill };
}
