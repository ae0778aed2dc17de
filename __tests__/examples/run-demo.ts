import { join } from 'node:path';
import { execute, type Outcome } from '../support/run.js';

export const DEMO = join('examples', 'demo', 'demo.js');

/** Runs the demo to its end. @param temporary where its temporary files go. */
export async function runDemo(
  temporary: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Outcome> {
  return await execute(process.execPath, [DEMO, ...args], { env: { TMPDIR: temporary, ...env } });
}
