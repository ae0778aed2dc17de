import type { SnapshotConfig } from '../options.js';
import type { AllowedHosts } from './upstream-connector.js';

/**
 * Where connections may go: to the upstream of each allowed host. Private addresses only where the
 * options of a host with that upstream say so.
 */
export function allowedHosts({ hosts }: Pick<SnapshotConfig, 'hosts'>): AllowedHosts {
  const allowed = new Map<string, { allowPrivateAddresses: boolean }>();
  for (const [name, { baseUrl, allowPrivateAddresses }] of Object.entries(hosts)) {
    const { host } = new URL(baseUrl ?? `https://${name}`);
    const already = allowed.get(host)?.allowPrivateAddresses ?? false;
    allowed.set(host, { allowPrivateAddresses: already || allowPrivateAddresses });
  }
  return allowed;
}
