import { once } from 'node:events';

/**
 * Ends the server: first its requests, then its builds. What takes longer than its time is cut off.
 *
 * @param requestsTime, buildsTime in ms. Together less than `stop_grace_period` of Docker,
 * `terminationGracePeriodSeconds` of Kubernetes, and `TimeoutStopSec` of systemd.
 */
export async function closeInTime({
  server,
  snapshots,
  storage,
  requestsTime = 40_000,
  buildsTime = 10_000,
}) {
  const cutOff = setTimeout(async () => {
    await snapshots.close(); // clients that wait for a build get 503
    server.closeAllConnections();
  }, requestsTime);
  server.close();
  await once(server, 'close');
  clearTimeout(cutOff);
  await snapshots.close({ drain: true, signal: AbortSignal.timeout(buildsTime) });
  await storage.close();
}
