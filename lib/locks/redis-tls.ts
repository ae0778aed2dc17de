import { once } from 'node:events';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** Milliseconds for an answer. */
const PATIENCE = 2000;

/**
 * Looks for a wrong scheme, since neither side reports it: a server that speaks TLS breaks other
 * connections, and one that does not never answers a handshake.
 *
 * @param url `redis://…` or `rediss://…`
 * @returns the right scheme, if the server uses the other one.
 */
export async function rightScheme(url: string): Promise<string | undefined> {
  const { protocol, hostname, port } = new URL(url);
  const server = {
    host: hostname.replace(/^\[|\]$/g, '') || 'localhost',
    port: Number(port) || 6379,
  };
  if (protocol === 'rediss:') {
    const socket = connectPlain(server, () => socket.write('PING\r\n'));
    return (await happens(socket, 'data')) ? 'redis://' : undefined;
  }
  // Sends nothing: this need not know whose certificate it is.
  const socket = connectTls({ ...server, rejectUnauthorized: false });
  return (await happens(socket, 'secureConnect')) ? 'rediss://' : undefined;
}

async function happens(socket: Socket, event: string): Promise<boolean> {
  try {
    await once(socket, event, { signal: AbortSignal.timeout(PATIENCE) });
    return true;
  } catch {
    // The failure of the real connection is already known.
    return false;
  } finally {
    socket.on('error', () => {}).destroy();
  }
}
