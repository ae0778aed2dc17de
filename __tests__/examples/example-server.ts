import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { cleanEnvironment } from '../support/run.js';

/** An example that was started as a user starts it. */
export interface ExampleServer {
  /** The URL that it prints. */
  readonly url: string;
  /** Ends it. Idempotent. @returns its exit code. */
  stop(): Promise<number | null>;
}

/**
 * Starts `server.js` of a directory on a free port.
 *
 * @param name of a folder of `examples/`, or the path of a directory.
 * @throws Error when it ends before it listens, with what it wrote to standard error.
 */
export async function startExample(
  name: string,
  env: Record<string, string>,
): Promise<ExampleServer> {
  const child = spawn(process.execPath, [resolve('examples', name, 'server.js')], {
    env: { ...cleanEnvironment(), PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const complaints = text(child.stderr);
  const exited = once(child, 'exit');
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
    return child.exitCode;
  };
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /^listening on (\S+)$/.exec(line)?.[1];
    if (url !== undefined) return { url, stop };
  }
  throw new Error(`the example ended with ${await stop()}: ${await complaints}`);
}
