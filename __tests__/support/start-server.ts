import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import type { ProgramRequest } from '../runner/spawner-protocol.js';
import { startProgram } from './program-start.js';
import type { Cleanup } from './temporary-directory.js';

/** Starts a program that serves HTTP and writes its URL when it does. @returns the URL. */
export async function startServer(
  request: ProgramRequest,
  defer: Cleanup['defer'],
): Promise<string> {
  const program = startProgram(request);
  defer(async () => {
    program.kill();
    await program.closed;
  });
  return await new Promise((resolve, reject) => {
    const lines: string[] = [];
    let isReady = false;
    // All output is read, also later: a full pipe would stop the program.
    for (const input of [program.stdout, program.stderr]) {
      createInterface({ input }).on('line', (line) => {
        if (isReady) return;
        lines.push(line);
        const [url] = /http:\/\/127\.0\.0\.1:\d{2,}/.exec(line) ?? [];
        if (url === undefined) return;
        isReady = true;
        resolve(url);
      });
    }
    const fail = () => reject(new Error(`${request.command} did not start: ${lines.join('\n')}`));
    program.closed.then(fail, reject);
  });
}

/** A port of 127.0.0.1 for a program that does not choose one itself. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
