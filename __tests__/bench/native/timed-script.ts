import { execute, RunError, type RunOptions } from '../../support/run.js';

export interface TimedScript {
  readonly seconds: number;
  /** User and system, of all programs that the script waited for. */
  readonly cpuSeconds: number;
  readonly stdout: string;
}

/**
 * Runs a bash script and measures it by bash's `time`, the start of bash itself left out. Rejects when
 * any of its programs fails, in a pipeline too.
 *
 * @param args `$1`, `$2`, …
 */
export async function timeScript(
  script: string,
  args: readonly string[],
  options: RunOptions,
): Promise<TimedScript> {
  const timed = `set -euo pipefail; TIMEFORMAT='%3R %3U %3S'; time { ${script}\n}`;
  const { code, stdout, stderr } = await execute('bash', ['-c', timed, 'bash', ...args], options);
  if (code !== 0) throw new RunError('bash', ['-c', script, ...args], code, stderr);
  const times = /(?:^|\n)([\d.]+) ([\d.]+) ([\d.]+)\n$/.exec(stderr);
  if (times === null) throw new Error(`bash tells no times: ${stderr}`);
  const [seconds = 0, user = 0, system = 0] = times.slice(1).map(Number);
  // It tells whole milliseconds, and times are divided by one another.
  return { seconds: Math.max(seconds, 0.001), cpuSeconds: user + system, stdout };
}
