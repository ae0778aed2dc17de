import { createHash, randomBytes } from 'node:crypto';
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  realpath,
  rename,
  rm,
  rmdir,
  unlink,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { hasCode, SnapshotError } from '../errors.js';
import { unlessMissing } from '../fs/errors.js';
import type { SharedLock } from './local-queue.js';
import { isAlive, LockSocket, untilGone } from './lock-socket.js';

/*
 * `{directory}/{hash of the key}/{random}` is the socket of the holder. The directory of a key has
 * one socket or none:
 *
 * - To take the lock, a process listens in a directory of its own, and renames this directory to
 *   that of the key. The system does that only if the latter is missing or empty.
 * - To free the lock of a dead holder, a waiter removes the socket by its random name. So it never
 *   removes the socket of the next holder.
 *
 * Windows has named pipes instead, which vanish with their process.
 */

/** Bytes of a socket's path: macOS has the shortest `sun_path`, 104 bytes with the final zero. */
const MAX_PATH = 103;
/** Of a key's hash, a random name, and `.tmp` or slashes. */
const NAMES = 22 + 8 + 4;
const PIPES = process.platform === 'win32';

/** A lock that this process has taken. */
export class TakenLock implements SharedLock {
  readonly #socket: LockSocket;
  readonly #path: string;

  constructor(socket: LockSocket, path: string) {
    this.#socket = socket;
    this.#path = path;
  }

  get signal(): AbortSignal {
    return this.#socket.signal;
  }

  async release(): Promise<void> {
    this.#socket.close();
    await remove(this.#path);
  }

  async lose(reason: SnapshotError): Promise<void> {
    this.#socket.lose(reason);
    await this.release();
  }
}

/** The sockets of the locks that processes share by a directory. */
export class LockDirectory {
  readonly #path: string;
  readonly #leaseTime: number;

  private constructor(path: string, leaseTime: number) {
    this.#path = path;
    this.#leaseTime = leaseTime;
  }

  /** Makes the directory if it is missing, and removes sockets of dead processes. */
  static async open(path: string, leaseTime: number): Promise<LockDirectory> {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const real = await realpath(path);
    if (PIPES) return new LockDirectory(`\\\\.\\pipe\\${hash(real)}`, leaseTime);
    const isShort = Buffer.byteLength(real) + NAMES <= MAX_PATH;
    const locks = new LockDirectory(isShort ? real : await shortDirectory(real), leaseTime);
    await locks.#sweep();
    return locks;
  }

  /** @returns `undefined` when another process holds the lock. */
  async take(key: string): Promise<TakenLock | undefined> {
    const place = this.#placeOf(key);
    if (!PIPES) return await this.#publish(place);
    try {
      return new TakenLock(await LockSocket.listen(place, this.#leaseTime), place);
    } catch (error) {
      if (hasCode(error, 'EADDRINUSE')) return undefined;
      throw error;
    }
  }

  /** Waits while another process holds the lock. @throws the signal's reason. */
  async untilFree(key: string, signal: AbortSignal): Promise<void> {
    const place = this.#placeOf(key);
    const path = PIPES ? place : await socketIn(place);
    if (path === undefined) return;
    const isGone = await untilGone(path, this.#leaseTime, signal);
    if (isGone) await remove(path);
  }

  #placeOf(key: string): string {
    return PIPES ? `${this.#path}-${hash(key)}` : join(this.#path, hash(key));
  }

  async #publish(place: string): Promise<TakenLock | undefined> {
    const name = randomBytes(6).toString('base64url');
    const own = join(this.#path, `${name}.tmp`);
    let socket: LockSocket | undefined;
    try {
      await mkdir(own, { recursive: true, mode: 0o700 });
      socket = await LockSocket.listen(join(own, name), this.#leaseTime);
      await chmod(join(own, name), 0o600);
      await rename(own, place);
      return new TakenLock(socket, join(place, name));
    } catch (error) {
      socket?.close();
      await rm(own, { recursive: true, force: true });
      if (hasCode(error, 'ENOTEMPTY', 'EEXIST')) return undefined;
      throw error;
    }
  }

  /** Removes the sockets of dead processes. */
  async #sweep(): Promise<void> {
    for (const name of await readdir(this.#path)) {
      const path = await socketIn(join(this.#path, name));
      if (path !== undefined && !(await isAlive(path))) await remove(path);
    }
  }
}

async function socketIn(directory: string): Promise<string | undefined> {
  const [name] = (await unlessMissing(readdir(directory))) ?? [];
  return name === undefined ? undefined : join(directory, name);
}

/** Removes a socket and its directory, unless another process uses the directory by now. */
async function remove(path: string): Promise<void> {
  if (PIPES) return;
  await unlessMissing(unlink(path));
  await unlessMissing(rmdir(dirname(path))).catch((error: unknown) => {
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
  });
}

/** A directory of this user for sockets whose path would be too long elsewhere. */
async function shortDirectory(directory: string): Promise<string> {
  const path = join(await realpath(tmpdir()), `git-snapshot-${hash(directory)}`);
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error;
  });
  const { uid, mode } = await lstat(path);
  // Other users can make a directory of this name. A symbolic link has all the bits of a mode.
  if (uid !== process.getuid?.() || (mode & 0o077) !== 0) {
    throw new SnapshotError('LOCK_UNAVAILABLE', `other users have access to ${path}`);
  }
  return path;
}

/** 132 bits. */
function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}
