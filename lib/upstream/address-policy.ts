import { BlockList, isIP, type LookupFunction } from 'node:net';
import { SnapshotError } from '../errors.js';

/**
 * What is not globally reachable by IANA's special-purpose registry, IPv4: private, shared (CGNAT),
 * loopback, link-local, protocol assignments, documentation, benchmarking, multicast, reserved and
 * broadcast. Clouds answer with credentials at 169.254.169.254, 100.100.100.200 and 192.0.0.192, all
 * within these ranges, and at 168.63.129.16, which is not.
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

/**
 * The parts of IPv6's global unicast space that are not globally reachable: protocol assignments
 * with Teredo and ORCHID, and documentation.
 */
const REFUSED_IPV6: readonly (readonly [network: string, prefix: number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['3fff::', 20],
];

/** Nothing else in IPv6 is on the public internet: not `::`, `::1`, `fc00::/7`, `fe80::/10`, … */
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
 * Whether an address is one of the public internet's. Text that is no IP address is not, nor is an
 * address with a zone.
 *
 * Not knowable here: public addresses that a site uses inside its own network, and NAT64 behind a
 * prefix of the site's own.
 */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !REFUSED.check(address, 'ipv4');
    case 6:
      return (
        !address.includes('%') &&
        ROUTED_IPV6.check(address, 'ipv6') &&
        !REFUSED.check(address, 'ipv6')
      );
    default:
      return false;
  }
}

/**
 * Makes a lookup for `net.connect` that knows of public addresses only. The socket connects to the
 * very addresses that were checked, so a name that resolves differently a moment later (DNS
 * rebinding) gains nothing.
 *
 * The lookup fails with a `SnapshotError` `UPSTREAM_UNREACHABLE` when no address is left.
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

/** Why a host without a public address is not connected to. */
export function noPublicAddress(hostname: string): SnapshotError {
  return new SnapshotError(
    'UPSTREAM_UNREACHABLE',
    `${hostname} has no public address, and its options do not allow private ones`,
  );
}
