import { once } from 'node:events';

/** In ms. Less than `stop_grace_period`, `terminationGracePeriodSeconds` and `TimeoutStopSec`. */
const REQUESTS = 40_000;
const BUILDS = 10_000;

/** Ends the server: first its requests, then its builds. What takes longer than its time is cut off. */
export async function closeInTime({ server, snapshots, storage }) {
  const cutOff = setTimeout(async () => {
    await snapshots.close();
    server.closeAllConnections();
  }, REQUESTS);
  server.close();
  await once(server, 'close');
  clearTimeout(cutOff);
  await snapshots.close({ drain: true, signal: AbortSignal.timeout(BUILDS) });
  await storage.close();
}
