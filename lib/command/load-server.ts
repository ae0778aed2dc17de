import { hasCode } from '../errors.js';

/**
 * Loads Express, which users of the client alone do not need, and the routers.
 *
 * @param args of the command line, for the message.
 * @throws Error if Express is not installed where this package finds it.
 */
export async function loadServer(args: readonly string[]) {
  try {
    const [{ default: express }, { createSnapshotRouter }, { createStatusPage }] =
      await Promise.all([
        import('express'),
        import('../index.js'),
        import('../status-page/index.js'),
      ]);
    return { express, createSnapshotRouter, createStatusPage };
  } catch (cause) {
    if (!hasCode(cause, 'ERR_MODULE_NOT_FOUND') || !cause.message.includes("'express'"))
      throw cause;
    const packages = 'npx -p express -p express-git-snapshot express-git-snapshot';
    const command = [packages, 'serve', ...args.map(quoted)].join(' ');
    throw new Error(`serve needs the package express. Run: ${command}`, { cause });
  }
}

/** For a shell. */
function quoted(argument: string): string {
  return /^[\w.:/=@-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
