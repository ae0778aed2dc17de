import type { IncomingMessage, ServerResponse } from 'node:http';
import { SnapshotError } from '../errors.js';

/** Unanswered requests that a client may pipeline on one connection. */
const MAX_PIPELINED = 100;

interface Connection {
  /** One for each request that is not answered in full. */
  readonly unanswered: Set<AbortController>;
  /** Resolves when the last request so far is over. */
  last: Promise<void>;
}

/** The turn of one request among the requests of its connection. */
export interface Turn {
  /** Resolves when the requests before it on its connection are over. */
  readonly ready: Promise<void>;
  /**
   * Aborts when the client leaves before its answer is complete, or when other code, such as a
   * timeout of the host app, ends the answer before `end`.
   */
  readonly signal: AbortSignal;
  /** Its handler has ended, and made the whole answer. */
  end(): void;
}

/**
 * Runs requests that are pipelined on one connection (RFC 9112, section 9.3.2) one after another: a
 * file opened for a later answer would stay open for nothing. A response that waits for its turn
 * gets no event when the connection closes, so its signal aborts then.
 */
export class Connections {
  readonly #known = new WeakMap<object, Connection>();

  /** @throws SnapshotError `OVERLOADED` when too many requests wait on the connection. */
  enter(req: IncomingMessage, res: ServerResponse): Turn {
    const controller = new AbortController();
    const { signal } = controller;
    const connection = this.#connectionOf(req);
    const { unanswered, last: ready } = connection;
    if (unanswered.size >= MAX_PIPELINED) {
      throw new SnapshotError('OVERLOADED', 'too many requests are pipelined');
    }
    unanswered.add(controller);
    let hasEnded = false;
    connection.last = new Promise((resolve) => {
      const over = () => {
        unanswered.delete(controller);
        if (!res.writableFinished || !hasEnded) controller.abort();
        resolve();
      };
      // The client may have left while middleware of the host ran.
      if (res.destroyed || res.writableFinished) over();
      else res.once('finish', over).once('close', over);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    const end = () => {
      hasEnded = true;
    };
    return { ready, signal, end };
  }

  #connectionOf({ socket, httpVersionMajor }: IncomingMessage): Connection {
    const known = this.#known.get(socket);
    if (known !== undefined) return known;
    const connection: Connection = { unanswered: new Set(), last: Promise.resolve() };
    // HTTP/2 has a stream for each request.
    if (httpVersionMajor > 1 || socket === undefined) return connection;
    this.#known.set(socket, connection);
    socket.once('close', () => {
      for (const controller of connection.unanswered) controller.abort();
      connection.unanswered.clear();
    });
    return connection;
  }
}
