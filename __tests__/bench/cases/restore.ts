import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { profilingOptions } from '../app-under-test.js';
import { type Bench, compare } from '../bench.js';
import type { Run } from '../measure/alternate.js';
import type { Sample } from '../measure/metrics.js';
import type { Result } from '../measure/result.js';
import { type TimedScript, timeScript } from '../native/timed-script.js';
import type { Repository } from '../repositories/repository.js';

const CLIENT = fileURLToPath(new URL('../programs/restore.js', import.meta.url));
const PIPE = 'curl -sf "$1" | zstd -dc | tar -xpf - -C "$2"';
const CLONE = 'git clone --quiet "$1" "$2"';

/** A stored snapshot to a checkout on disk, against `git clone` of the same upstream. */
export async function restore(bench: Bench, repository: Repository): Promise<Result[]> {
  const { scope, settings, signal, tell, upstream } = bench;
  const app = await bench.app();
  const path = await app.newPath(repository);
  await app.timeDownload(path);
  const url = app.snapshotUrl(path);
  const target = join(await scope.directory(), 'checkout');

  const node = [process.execPath, ...profilingOptions(settings.profiles), CLIENT];
  const restoring: Record<string, () => Promise<TimedScript>> = {
    async 'curl | zstd | tar'() {
      await mkdir(target);
      return await timeScript(PIPE, [url, target], { signal });
    },
    'our client': () => timeScript('"$@"', [...node, url, target], { signal }),
  };
  const reference = await bench.reference(repository);
  for (const [name, run] of Object.entries(restoring)) {
    tell(`${repository.name}: checking what ${name} restores`);
    await run();
    await reference.expectCheckout(target, app.originUrl(path));
    await rm(target, { recursive: true });
  }

  const sides: Record<string, Run> = {};
  let withoutStart: Sample = {};
  for (const [name, run] of Object.entries(restoring)) {
    sides[name] = async () => {
      const { seconds, cpuSeconds, stdout } = await run();
      await rm(target, { recursive: true });
      if (stdout !== '') withoutStart = JSON.parse(stdout);
      return { seconds, cpuSeconds };
    };
  }
  // Not a run of its own: what the client has said of the run before.
  sides['our client, without the start of node'] = async () => withoutStart;
  sides['git clone'] = async () => {
    const args = [`${upstream.url}/${path}`, target];
    const { seconds, cpuSeconds } = await timeScript(CLONE, args, { signal });
    await rm(target, { recursive: true });
    return { seconds, cpuSeconds };
  };
  const comparison = { case: 'restore', repository, reference: 'git clone', sides };
  const result = await compare(bench, comparison);
  await app.forget(path);
  return [result];
}
