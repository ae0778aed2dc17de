import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import fc from 'fast-check';
import { isPublicAddress, publicOnly } from '../../lib/upstream/address-policy.js';

/** First and last address of each refused range, then its public neighbours. */
const IPV4_RANGES: [first: string, last: string, ...neighbours: string[]][] = [
  ['0.0.0.0', '0.255.255.255', '1.0.0.0'],
  ['10.0.0.0', '10.255.255.255', '9.255.255.255', '11.0.0.0'],
  ['100.64.0.0', '100.127.255.255', '100.63.255.255', '100.128.0.0'],
  ['127.0.0.0', '127.255.255.255', '126.255.255.255', '128.0.0.0'],
  ['168.63.129.16', '168.63.129.16', '168.63.129.15', '168.63.129.17'],
  ['169.254.0.0', '169.254.255.255', '169.253.255.255', '169.255.0.0'],
  ['172.16.0.0', '172.31.255.255', '172.15.255.255', '172.32.0.0'],
  ['192.0.0.0', '192.0.0.255', '191.255.255.255', '192.0.1.0'],
  ['192.0.2.0', '192.0.2.255', '192.0.1.255', '192.0.3.0'],
  ['192.88.99.0', '192.88.99.255', '192.88.98.255', '192.88.100.0'],
  ['192.168.0.0', '192.168.255.255', '192.167.255.255', '192.169.0.0'],
  ['198.18.0.0', '198.19.255.255', '198.17.255.255', '198.20.0.0'],
  ['198.51.100.0', '198.51.100.255', '198.51.99.255', '198.51.101.0'],
  ['203.0.113.0', '203.0.113.255', '203.0.112.255', '203.0.114.0'],
  ['224.0.0.0', '239.255.255.255', '223.255.255.255'],
  ['240.0.0.0', '255.255.255.255'],
];

function hexWords(ipv4: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number);
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

/** The same IPv4 address as its IPv6 forms spell it. */
const EMBEDDINGS: [name: string, embed: (ipv4: string) => string][] = [
  ['mapped', (ip) => `::ffff:${ip}`],
  ['mapped, in hex', (ip) => `::ffff:${hexWords(ip)}`],
  ['NAT64', (ip) => `64:ff9b::${ip}`],
  ['NAT64, in hex', (ip) => `64:ff9b:0:0:0:0:${hexWords(ip)}`],
  ['6to4', (ip) => `2002:${hexWords(ip)}::1`],
];

describe('isPublicAddress', () => {
  test.each(IPV4_RANGES)(
    'refuses %s to %s, and not their neighbours',
    (first, last, ...neighbours) => {
      expect(isPublicAddress(first)).toBe(false);
      expect(isPublicAddress(last)).toBe(false);
      for (const address of neighbours) {
        expect([address, isPublicAddress(address)]).toEqual([address, true]);
      }
    },
  );

  test.each(EMBEDDINGS)('judges an IPv6 address (%s) by the address that it embeds', (_, embed) => {
    for (const range of IPV4_RANGES) {
      for (const address of range) {
        const embedded = embed(address);
        expect([embedded, isPublicAddress(embedded)]).toEqual([embedded, isPublicAddress(address)]);
      }
    }
    fc.assert(
      fc.property(fc.ipV4(), (ip) => isPublicAddress(embed(ip)) === isPublicAddress(ip)),
      { seed: 1 },
    );
  });

  test.each([
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['loopback, in full', '0:0:0:0:0:0:0:1'],
    ['IPv4-compatible', '::7f00:1'],
    ['IPv4-compatible, of a public address', '::8.8.8.8'],
    ['IPv4-translated', '::ffff:0:8.8.8.8'],
    ['local-use NAT64', '64:ff9b:1::8.8.8.8'],
    ['discard-only', '100::1'],
    ['Teredo', '2001::1'],
    ['benchmarking', '2001:2::1'],
    ['ORCHIDv2', '2001:20::1'],
    ['documentation', '2001:db8::1'],
    ['documentation', '3fff::1'],
    ['SRv6', '5f00::1'],
    ['unique local', 'fc00::1'],
    ['unique local', 'fdff:ffff::1'],
    ['metadata of AWS', 'fd00:ec2::254'],
    ['metadata of Google', 'fd20:ce::254'],
    ['link-local', 'fe80::1'],
    ['link-local with a zone', 'fe80::1%eth0'],
    ['a zone', '2606:4700::1111%eth0'],
    ['site-local', 'fec0::1'],
    ['multicast', 'ff02::1'],
  ])('refuses an address (%s): %s', (_, address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  test.each(['2606:4700::1111', '2001:200::1', '2a00:1450:4001:80e::200e', '2620:1ec:8fa::10'])(
    'accepts %s',
    (address) => {
      expect(isPublicAddress(address)).toBe(true);
    },
  );

  test.each(['', 'localhost', '8.8.8', '8.8.8.8 ', '010.8.8.8', '[2606:4700::1111]', '8.8.8.8:80'])(
    'refuses %j, which is no address',
    (text) => {
      expect(isPublicAddress(text)).toBe(false);
    },
  );
});

type LookupOutcome = { error: Error | null; found: string | LookupAddress[]; family?: number };

/** The result of `publicOnly` for a name that resolves to these addresses. */
function outcome(addresses: LookupAddress[], options: { all?: boolean }): Promise<LookupOutcome> {
  const resolver: LookupFunction = (_hostname, _options, callback) => callback(null, addresses);
  return new Promise((resolve) => {
    publicOnly(resolver)('git.test', options, (error, found, family) => {
      resolve({ error, found, ...(family !== undefined && { family }) });
    });
  });
}

describe('publicOnly', () => {
  const PRIVATE: LookupAddress = { address: '10.0.0.1', family: 4 };
  const PUBLIC_V4: LookupAddress = { address: '8.8.8.8', family: 4 };
  const PUBLIC_V6: LookupAddress = { address: '2606:4700::1111', family: 6 };

  test('keeps the public addresses in their order', async () => {
    const { error, found } = await outcome([PRIVATE, PUBLIC_V6, PUBLIC_V4], { all: true });
    expect(error).toBeNull();
    expect(found).toEqual([PUBLIC_V6, PUBLIC_V4]);
  });

  test('returns the first public address where one is asked for', async () => {
    expect(await outcome([PRIVATE, PUBLIC_V6, PUBLIC_V4], {})).toEqual({
      error: null,
      found: PUBLIC_V6.address,
      family: 6,
    });
  });

  test.each([[[PRIVATE]], [[]]])('fails when no public address is among %j', async (addresses) => {
    const { error } = await outcome(addresses, { all: true });
    expect(error).toMatchObject({
      code: 'UPSTREAM_ADDRESS_FORBIDDEN',
      message: expect.stringMatching(/git\.test has no public address/),
      clientText: expect.not.stringMatching(/private|public/),
    });
  });

  test('fails with the error of the resolver', async () => {
    const failure = new Error('SERVFAIL');
    const failing: LookupFunction = (_hostname, _options, callback) => callback(failure, []);
    const error = await new Promise((resolve) => {
      publicOnly(failing)('git.test', { all: true }, resolve);
    });
    expect(error).toBe(failure);
  });
});
