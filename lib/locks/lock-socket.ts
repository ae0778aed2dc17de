import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { atDeadline } from '../async/deadline.js';
import { hasCode, SnapshotError } from '../errors.js';

/*
 * A held lock is a socket on which its holder listens. Waiters connect to it. The kernel ends these
 * connections when the holder releases the lock, and also when it dies. While the holder lives, it
 * sends each waiter a byte from time to time. A waiter that gets none for the lease time sends one
 * itself, and takes the lock over: the holder stands still.
 */

/** Milliseconds until the next attempt to connect to a holder with too many new connections. */
const RETRY_INTERVAL = 100;

/** The errors of a connection to a process that has released the lock or is dead. */
const GONE = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'];

/** A socket on which the holder of a lock listens. Does not keep the process alive. */
export class LockSocket {
  readonly #server: Server;
  readonly #waiters = new Set<Socket>();
  readonly #lost = new AbortController();
  readonly #beat: NodeJS.Timeout;

  private constructor(leaseTime: number) {
    this.#server = createServer((waiter) => this.#accept(waiter));
    const beat = () => {
      for (const waiter of this.#waiters) waiter.write('.');
    };
    this.#beat = setInterval(beat, leaseTime / 3).unref();
  }

  /** @throws Error of the system: `EADDRINUSE` when another process listens there. */
  static async listen(path: string, leaseTime: number): Promise<LockSocket> {
    const socket = new LockSocket(leaseTime);
    try {
      await new Promise<void>((resolve, reject) => {
        // `exclusive`: else the primary of a cluster would listen, and hold the lock.
        const options = { path, exclusive: true };
        socket.#server.once('error', reject).listen(options, resolve).unref();
      });
      return socket;
    } catch (error) {
      clearInterval(socket.#beat);
      throw error;
    }
  }

  /** Aborts when a waiter takes the lock over. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /** Ends the lock although its holder still works. */
  lose(reason: SnapshotError): void {
    this.#lost.abort(reason);
    this.close();
  }

  /** Wakes all waiters. Idempotent. */
  close(): void {
    clearInterval(this.#beat);
    this.#server.close();
    for (const waiter of this.#waiters) waiter.destroy();
  }

  #accept(waiter: Socket): void {
    this.#waiters.add(waiter.unref());
    waiter
      .once('data', () => {
        this.lose(new SnapshotError('LOCK_LOST', 'this process stood still: another has the lock'));
      })
      .on('error', () => {}) // `close` follows
      .once('close', () => this.#waiters.delete(waiter));
  }
}

/** Whether a process listens on a socket. */
export async function isAlive(path: string): Promise<boolean> {
  const socket = connect(path).unref();
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    return !hasCode(error, ...GONE);
  } finally {
    socket.destroy();
  }
}

/**
 * Waits while a holder listens on a socket, and lives.
 *
 * @returns whether that is over. Otherwise call it again.
 * @throws Error of the system; the signal's reason.
 */
export async function untilGone(
  path: string,
  leaseTime: number,
  signal: AbortSignal,
): Promise<boolean> {
  const socket = connect(path).unref();
  let cancel = () => {};
  let onAbort = () => {};
  try {
    return await new Promise<boolean>((resolve, reject) => {
      const takeOver = () => {
        socket.end('.');
        resolve(true);
      };
      const renew = () => {
        cancel();
        cancel = atDeadline(leaseTime, takeOver);
      };
      onAbort = () => {
        socket.destroy();
        reject(signal.reason);
      };
      renew();
      socket.on('data', renew).on('error', reject);
      socket.once('close', () => resolve(true));
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort);
    });
  } catch (error) {
    signal.throwIfAborted();
    if (hasCode(error, 'EAGAIN')) {
      return await setTimeout(RETRY_INTERVAL, false, { ref: false, signal });
    }
    if (!hasCode(error, ...GONE)) throw error;
    return true;
  } finally {
    cancel();
    signal.removeEventListener('abort', onAbort);
  }
}
