import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { withResolvers } from '../../lib/async/with-resolvers.js';
import { listen } from './listen.js';
import type { Cleanup } from './temporary-directory.js';

/** A server that answers each request as the test says, until the cleanup. @returns its URL. */
export function startServer(
  defer: Cleanup['defer'],
  answer: (req: IncomingMessage, res: ServerResponse) => unknown,
): Promise<string> {
  const server = createServer((req, res) => {
    // A request that its sender gave up has no answer.
    req.on('error', () => {});
    answer(req, res);
  });
  return listen(server, defer);
}

/**
 * Receives parts of an upload and answers none.
 *
 * @param count `held` resolves when so many parts have arrived, and a sender could have read more.
 */
export function heldParts(count: number, isPart: (req: IncomingMessage) => boolean) {
  const { promise: held, resolve } = withResolvers<void>();
  let left = count;
  const answer = async (req: IncomingMessage, res: ServerResponse) => {
    await buffer(req);
    if (!isPart(req)) res.writeHead(404).end();
    else if (--left === 0) {
      // One more round of input and output for each part that a sender could hold.
      for (let round = 0; round < 20; round++) await setImmediate();
      resolve();
    }
  };
  return {
    held,
    answer: (req: IncomingMessage, res: ServerResponse) => answer(req, res).catch(() => {}),
  };
}
