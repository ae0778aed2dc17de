import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { IngestLimits } from '../../lib/pack/limits.js';
import { run } from '../support/run.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { LIMITS } from './ingesting.js';

const PROGRAM = `
  import { createReadStream, readFileSync } from 'node:fs';
  const [module, pack, directory, limits] = process.argv.slice(1);
  const { ingestPack } = await import(module);
  const ended = await ingestPack(createReadStream(pack), directory, JSON.parse(limits)).then(
    () => 'done',
    (error) => error.code ?? String(error),
  );
  // Not resourceUsage().maxRSS, which begins with what the parent had.
  const [, peak] = /^VmHWM:\\s+(\\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'));
  process.stdout.write(JSON.stringify({ ended, peak: peak / 1024 }));
`;

/**
 * Ingests a pack in a process of its own.
 *
 * @param heap MiB that it may have for objects of JavaScript; it crashes when it needs more.
 * @returns how it ended (`done` or an error code) and the most memory that it took, in MiB. Linux only.
 */
export async function ingestAlone(
  pack: Uint8Array,
  limits: Partial<IngestLimits> = {},
  heap = 1024,
): Promise<{ ended: string; peak: number }> {
  const { path, remove } = await temporaryDirectory();
  try {
    const source = join(path, 'source');
    await writeFile(source, pack);
    const module = new URL('../../lib/pack/ingest.js', import.meta.url).href;
    const settings = JSON.stringify({ ...LIMITS, ...limits });
    const options = [`--max-old-space-size=${heap}`, '--input-type=module', '--eval', PROGRAM];
    const args = [...options, module, source, path, settings];
    return JSON.parse(await run(process.execPath, args));
  } finally {
    await remove();
  }
}
