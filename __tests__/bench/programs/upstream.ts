import { startUpstream } from '../../support/upstream.js';
import { programArgument, serveOrders } from './serve-orders.js';

/*
 * Serves the bare repositories below `root` by `git http-backend`.
 */

const upstream = await startUpstream(programArgument<{ root: string }>());

const orders = { url: () => upstream.url };
export type UpstreamOrders = typeof orders;
serveOrders(orders, () => upstream.close());
