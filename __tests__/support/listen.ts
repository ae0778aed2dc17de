import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Cleanup } from './temporary-directory.js';

/** Has a server listen on a free port of 127.0.0.1 until the cleanup. @returns its URL. */
export async function listen(server: Server, defer: Cleanup['defer']): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  defer(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return `http://127.0.0.1:${address.port}`;
}
