/**
 * The framing of git's protocols (gitprotocol-common): four hex digits that give the length of the
 * packet with themselves, then the payload. The lengths 0 to 2 are markers without payload.
 */
export const FLUSH = Buffer.from('0000');

/** A side-band packet's payload is a band number and at most this many bytes. */
export const SIDE_BAND_MAX = 65_515;

export interface Packet {
  /** The packet as it was sent. */
  readonly raw: Buffer;
  /** `undefined` for flush, delimiter and response-end. */
  readonly payload: Buffer | undefined;
}

export function encodePacket(payload: string | Uint8Array): Buffer {
  const bytes = Buffer.from(payload);
  const length = (bytes.length + 4).toString(16).padStart(4, '0');
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** Splits data over as many packets of one band as it takes (gitprotocol-pack, "side-band"). */
export function* encodeSideBand(band: 1 | 2 | 3, data: Uint8Array): Generator<Buffer> {
  for (let at = 0; at < data.length; at += SIDE_BAND_MAX) {
    const piece = data.subarray(at, at + SIDE_BAND_MAX);
    yield encodePacket(Buffer.concat([Buffer.of(band), piece]));
  }
}

/** Splits a stream into packets. Throws when the stream is not made of whole packets. */
export async function* readPackets(source: AsyncIterable<Buffer>): AsyncGenerator<Packet> {
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    let at = 0;
    while (pending.length - at >= 4) {
      const length = packetLength(pending.toString('latin1', at, at + 4));
      if (pending.length - at < length) break;
      const raw = pending.subarray(at, at + length);
      yield { raw, payload: raw.length > 4 ? raw.subarray(4) : undefined };
      at += length;
    }
    pending = pending.subarray(at);
  }
  if (pending.length > 0) throw new Error(`${pending.length} bytes after the last whole packet`);
}

function packetLength(digits: string): number {
  if (!/^[0-9a-f]{4}$/i.test(digits)) throw new Error(`no pkt-line: ${JSON.stringify(digits)}`);
  return Math.max(4, Number.parseInt(digits, 16));
}
