import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { serve } from '../client/archive-server.js';
import { cleanEnvironment } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const MAIN = join(process.cwd(), '.build/lib/command/main.js');

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)(
  '%s ends a restore with the code %i, and leaves nothing behind',
  async (signal, code) => {
    const parent = await directory();
    let restoring: ReturnType<typeof spawn> | undefined;
    // The answer never ends.
    const url = await serve({ defer }, (_, res) =>
      res.write('zstd', () => restoring?.kill(signal)),
    );
    restoring = spawn(process.execPath, [MAIN, 'restore', url, join(parent, 'target')], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const closed = once(restoring, 'close');
    const complaints = restoring.stderr && (await text(restoring.stderr));
    await closed;
    expect([restoring.exitCode, complaints]).toEqual([code, 'express-git-snapshot: interrupted\n']);
    expect(await readdir(parent)).toEqual([]);
  },
);
