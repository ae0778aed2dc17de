import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Cleanup } from '../support/temporary-directory.js';

/** An HTTP server for one test. @returns the URL of a snapshot on it. */
export async function serve(
  { defer }: Pick<Cleanup, 'defer'>,
  listener: RequestListener,
): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  defer(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}/git/github.com/a/b/snapshot.tar.zst`;
}

/** A server whose answer a test changes between requests. */
export async function serveArchives(
  cleanup: Pick<Cleanup, 'defer'>,
): Promise<{ url: string; answer: { body: Buffer; chunked: boolean } }> {
  const answer = { body: Buffer.alloc(0), chunked: false };
  const url = await serve(cleanup, (_, res) => {
    if (!answer.chunked) res.setHeader('content-length', answer.body.length);
    res.setHeader('x-cachew-snapshot-commit', 'c0ffee'.padEnd(40, '0'));
    res.write(answer.body);
    res.end();
  });
  return { url, answer };
}
