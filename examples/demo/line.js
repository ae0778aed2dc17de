import { once, setMaxListeners } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * The only way to the upstream, for git and for the app: passes requests on, and counts the bytes of
 * the answers. A line of a given speed is shared by all requests, as an office's line is.
 *
 * @param {string} target the URL of the upstream
 * @param {object} [speed] without it, the line is as fast as the machine
 * @param {number} speed.bytesPerSecond
 * @param {number} speed.latency milliseconds before each answer
 */
export async function openLine(target, { bytesPerSecond = Infinity, latency = 0 } = {}) {
  const closing = new AbortController();
  setMaxListeners(0, closing.signal); // each request listens
  let receivedBytes = 0;
  /** When the line has passed all bytes that wait for it. */
  let freeAt = 0;

  async function* shaped(answer) {
    for await (const chunk of answer) {
      const now = performance.now();
      freeAt = Math.max(freeAt, now) + (1000 * chunk.length) / bytesPerSecond;
      if (freeAt - now >= 1) await delay(freeAt - now, undefined, { signal: closing.signal });
      receivedBytes += chunk.length;
      yield chunk;
    }
  }

  async function pass(req, res) {
    try {
      if (latency > 0) await delay(latency, undefined, { signal: closing.signal });
      const { protocol, host } = new URL(target);
      const { request } = protocol === 'https:' ? https : http;
      const passed = request(new URL(target + req.url), {
        method: req.method,
        headers: { ...req.headers, host },
        signal: closing.signal,
      });
      const answered = once(passed, 'response');
      const sent = pipeline(req, passed);
      const [[answer]] = await Promise.all([answered, sent]);
      res.writeHead(answer.statusCode, answer.headers);
      await pipeline(answer, shaped, res);
    } catch {
      res.destroy();
    }
  }

  const server = http.createServer(pass).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,

    /** The bytes that have come from the upstream. */
    get receivedBytes() {
      return receivedBytes;
    },

    /** Takes the upstream down: connections to it break, and new ones are refused. Idempotent. */
    async cut() {
      if (!server.listening) return;
      closing.abort();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
