import { BlockList, isIP, type LookupFunction } from 'node:net';
import { SnapshotError } from '../errors.js';

/**
 * IPv4 networks that are not globally reachable according to IANA's special-purpose registry. They
 * include all addresses at which clouds hand out credentials except 168.63.129.16, so this is
 * listed as well.
 */
const REFUSED_IPV4: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];

/** IPv6 addresses that end in an IPv4 address and reach it: mapped (RFC 4291), NAT64 (RFC 6052). */
const IPV4_CARRIERS = ['::ffff:', '64:ff9b::'];

/** IPv6 protocol assignments and documentation: unicast space that is not globally reachable. */
const REFUSED_IPV6: readonly (readonly [network: string, prefix: number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['3fff::', 20],
];

/** IPv6 networks of the public internet. `::`, `::1`, `fc00::/7`, `fe80::/10` are not. */
const ROUTED_IPV6 = new BlockList();
ROUTED_IPV6.addSubnet('2000::', 3, 'ipv6');
for (const carrier of IPV4_CARRIERS) ROUTED_IPV6.addSubnet(`${carrier}0.0.0.0`, 96, 'ipv6');

const REFUSED = new BlockList();
for (const [network, prefix] of REFUSED_IPV6) REFUSED.addSubnet(network, prefix, 'ipv6');
for (const [network, prefix] of REFUSED_IPV4) {
  REFUSED.addSubnet(network, prefix, 'ipv4');
  for (const carrier of IPV4_CARRIERS) {
    REFUSED.addSubnet(`${carrier}${network}`, 96 + prefix, 'ipv6');
  }
  REFUSED.addSubnet(sixToFour(network), 16 + prefix, 'ipv6');
}

/** 6to4 (RFC 3056) has the IPv4 address right after `2002:`. */
function sixToFour(ipv4: string): string {
  const [a, b, c, d] = ipv4.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
  return `2002:${a}${b}:${c}${d}::`;
}

/**
 * Whether a text is an IP address of the public internet. An address with a zone is not.
 *
 * Limits: it can't recognize public addresses of a site's own network, or a site's NAT64 prefix.
 */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !REFUSED.check(address, 'ipv4');
  if (isIP(address) !== 6 || address.includes('%')) return false;
  return ROUTED_IPV6.check(address, 'ipv6') && !REFUSED.check(address, 'ipv6');
}

/**
 * A lookup for `net.connect` that returns only public addresses, or fails with `noPublicAddress`.
 * The socket connects to the addresses that were checked: so DNS rebinding fails.
 */
export function publicOnly(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found, family = 0) => {
      if (error) return callback(error, []);
      const addresses = typeof found === 'string' ? [{ address: found, family }] : found;
      const allowed = addresses.filter(({ address }) => isPublicAddress(address));
      const [first] = allowed;
      if (first === undefined) return callback(noPublicAddress(hostname), []);
      if (options.all) return callback(null, allowed);
      callback(null, first.address, first.family);
    });
  };
}

export function noPublicAddress(hostname: string): SnapshotError {
  const message = `${hostname} has no public address, and its options do not allow private ones`;
  return new SnapshotError('UPSTREAM_ADDRESS_FORBIDDEN', message);
}
