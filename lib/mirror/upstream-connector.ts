import { lookup as dnsLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import { SnapshotError } from '../errors.js';
import { isPublicAddress, noPublicAddress, publicOnly } from './address-policy.js';

/**
 * The hosts that may be connected to, by `URL.host`: lower case, with the port unless it is the
 * scheme's default.
 */
export type AllowedHosts = ReadonlyMap<string, { readonly allowPrivateAddresses: boolean }>;

export interface ConnectorOptions {
  readonly hosts: AllowedHosts;
  /** Milliseconds for name resolution, TCP and TLS together. */
  readonly connectTimeout: number;
  /** Default: `dns.lookup`. */
  readonly lookup?: LookupFunction | undefined;
}

/**
 * Opens the connections of an undici agent. Every connection passes here, whatever URL or redirect
 * asked for it, so this is where the allow-list and the address policy hold.
 *
 * @param signal destroys every socket opened here when it aborts, also one that is connecting.
 */
export function upstreamConnector(
  { hosts, connectTimeout, lookup = dnsLookup }: ConnectorOptions,
  signal: AbortSignal,
): buildConnector.connector {
  const anywhere = buildConnector({ timeout: connectTimeout, signal, lookup });
  const publicly = buildConnector({ timeout: connectTimeout, signal, lookup: publicOnly(lookup) });
  return (options, callback) => {
    const { host = '', hostname } = options;
    const allowed = hosts.get(host);
    if (allowed?.allowPrivateAddresses) return anywhere(options, callback);
    // `net.connect` looks up names only; an address must be checked here.
    if (allowed && (isIP(hostname) === 0 || isPublicAddress(hostname))) {
      return publicly(options, callback);
    }
    const refusal = allowed
      ? noPublicAddress(hostname)
      : new SnapshotError('UPSTREAM_UNREACHABLE', `${host} is not an allowed host`);
    queueMicrotask(() => callback(refusal, null));
  };
}
