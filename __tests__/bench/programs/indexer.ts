import { createReadStream } from 'node:fs';
import { parseOptions, workLimits } from '../../../lib/config/options.js';
import { ingestPack } from '../../../lib/pack/ingest.js';
import { ResolverPool } from '../../../lib/pack/resolver-pool.js';
import { serveOrders } from './serve-orders.js';

/*
 * Indexes packs with the library, all in this one process, which is warm after the first.
 */

/** The defaults of an app. */
const limits = workLimits(parseOptions({ dataDir: '.', hosts: [] }));

/** As a thread that clones keeps them. */
const kept = new ResolverPool();

const orders = {
  /** Writes the pack and its idx into an empty directory. */
  async index(pack: string, directory: string, threads: number) {
    const before = process.cpuUsage();
    const started = performance.now();
    const source = createReadStream(pack, { highWaterMark: 1024 * 1024 });
    const wanted = { ...limits, indexThreads: threads };
    const { name } = await ingestPack(source, directory, wanted, { threads: kept });
    const seconds = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(before);
    return { name, seconds, cpuSeconds: (user + system) / 1e6 };
  },
};
export type IndexerOrders = typeof orders;
serveOrders(orders);
