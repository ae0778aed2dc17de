import { cp, link, mkdir, readdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { createSnapshotService } from '../../lib/index.js';
import { revisionPath } from '../../lib/mirror/disk/layout.js';
import { MirrorDirectory } from '../../lib/mirror/disk/mirror-directory.js';
import { read } from '../support/fresh-repository.js';
import { HOST } from '../support/host-app.js';
import { buildSmall } from '../support/small-repositories.js';
import { startUpstream } from '../support/upstream.js';
import { openScope } from './scope.js';

/*
 * A start with many mirrors: `node .build/__tests__/bench/many-mirrors.js 10000`. The mirrors are hard links
 * of one. Prints a line of JSON: seconds to the first answers and until all mirrors were found, CPU seconds,
 * the delay of the event loop in milliseconds, and megabytes of memory.
 */

const count = Number(process.argv[2] ?? 10_000);
const scope = openScope();
const id = (path: string) => defaultSnapshot({ host: HOST, path });

try {
  const root = await scope.directory();
  const dataDir = await scope.directory();
  for (const path of ['org/seed', 'org/new']) await buildSmall(join(root, `${path}.git`));
  const upstream = await startUpstream({ root });
  scope.defer(() => upstream.close());
  const hosts = { [HOST]: { baseUrl: upstream.url, allowPrivateAddresses: true } };
  const options = { dataDir, hosts, freshness: { refreshInterval: 3_600_000 } };
  const first = createSnapshotService(options);
  await read(first, id('org/seed'));
  await first.close({ drain: true });
  await addMirrors(join(dataDir, 'mirrors'));

  const before = process.memoryUsage.rss();
  const cpu = process.cpuUsage();
  const delays = monitorEventLoopDelay({ resolution: 10 });
  delays.enable();
  const started = performance.now();
  const seconds = () => Number(((performance.now() - started) / 1000).toFixed(2));
  const service = createSnapshotService(options);
  scope.defer(() => service.close());
  const answered = async (path: string) => {
    await read(service, id(path));
    return seconds();
  };
  const [hit, cold] = await Promise.all([answered('org/seed'), answered('org/new')]);
  while (service.stats().mirrors.count < count + 2) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { user, system } = process.cpuUsage(cpu);
  const result = {
    mirrors: count,
    hit,
    cold,
    allFound: seconds(),
    cpuSeconds: (user + system) / 1e6,
    delayP99: delays.percentile(99) / 1e6,
    delayMax: delays.max / 1e6,
    megabytes: (process.memoryUsage.rss() - before) / 1e6,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
} finally {
  await scope.release();
}

async function addMirrors(mirrors: string): Promise<void> {
  const [name = ''] = await readdir(mirrors);
  const template = join(mirrors, name);
  const revision = await readFile(revisionPath(template, 1), 'utf8');
  const directory = new MirrorDirectory(mirrors, () => {});
  const entries = await readdir(template, { recursive: true, withFileTypes: true });
  for (let index = 0; index < count; index++) {
    const path = `org/copy-${index}`;
    const mirror = directory.pathOf({ host: HOST, path });
    await mkdir(mirror);
    for (const entry of entries) {
      const source = join(entry.parentPath, entry.name);
      const target = join(mirror, source.slice(template.length));
      if (entry.isDirectory()) await mkdir(target, { recursive: true });
      else if (entry.name === 'used') await cp(source, target);
      else await link(source, target);
    }
    await unlink(revisionPath(mirror, 1));
    await writeFile(revisionPath(mirror, 1), revision.replace('org/seed', path));
  }
}
