import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/*
 * X.509 certificates (RFC 5280) for servers of tests, in DER, signed with ECDSA.
 */

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_ID = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;

const ECDSA_WITH_SHA256 = element(SEQUENCE, objectId('2a8648ce3d040302'));
const COMMON_NAME = objectId('550403');
const SUBJECT_ALT_NAME = objectId('551d11');
const BASIC_CONSTRAINTS = objectId('551d13');
const IS_CA = Buffer.from('30030101ff', 'hex');

/** In PEM. */
export interface ServerCertificate {
  /** Signs `cert`; no system trusts it. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** A certificate for a server with these names and 127.0.0.1, and the CA that signed it. */
export function serverCertificate(...names: string[]): ServerCertificate {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const address = element(IP_ADDRESS, Buffer.from([127, 0, 0, 1]));
  const known = names.map((name) => element(DNS_NAME, Buffer.from(name)));
  const altNames = element(SEQUENCE, ...known, address);
  const issued = (name: string, key: KeyObject, id: Buffer, extension: Buffer) =>
    certificate({ name, key, extension: extensionOf(id, extension) }, authority.privateKey);
  return {
    ca: issued('test CA', authority.publicKey, BASIC_CONSTRAINTS, IS_CA),
    cert: issued('test server', server.publicKey, SUBJECT_ALT_NAME, altNames),
    key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function certificate(
  subject: { name: string; key: KeyObject; extension: Buffer },
  issuer: KeyObject,
): string {
  const time = (text: string) => element(UTC_TIME, Buffer.from(text));
  const content = element(
    SEQUENCE,
    element(VERSION, element(INTEGER, Buffer.from([2]))),
    element(INTEGER, Buffer.from(subject.name)), // the serial number
    ECDSA_WITH_SHA256,
    nameOf('test CA'),
    element(SEQUENCE, time('200101000000Z'), time('491231235959Z')),
    nameOf(subject.name),
    subject.key.export({ type: 'spki', format: 'der' }),
    element(EXTENSIONS, element(SEQUENCE, subject.extension)),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', content, issuer)]);
  const whole = element(SEQUENCE, content, ECDSA_WITH_SHA256, element(BIT_STRING, signature));
  const lines = whole.toString('base64').replace(/.{64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function nameOf(commonName: string): Buffer {
  const value = element(UTF8_STRING, Buffer.from(commonName));
  return element(SEQUENCE, element(SET, element(SEQUENCE, COMMON_NAME, value)));
}

function extensionOf(id: Buffer, value: Buffer): Buffer {
  return element(SEQUENCE, id, element(OCTET_STRING, value));
}

function objectId(hex: string): Buffer {
  return element(OBJECT_ID, Buffer.from(hex, 'hex'));
}

/** A tag, the length of the content, the content. */
function element(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
