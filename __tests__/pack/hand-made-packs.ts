import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { createDeflate, deflateRawSync, deflateSync } from 'node:zlib';

/** Gives a pack that was tampered with the trailer that fits it. */
export function withTrailer(pack: Uint8Array): Buffer {
  const body = pack.subarray(0, -20);
  return Buffer.concat([body, createHash('sha1').update(body).digest()]);
}

/** A zlib stream (RFC 1950) of about `bytes` bytes: empty stored blocks, then the content. */
export function emptyBlocks(content: Buffer, bytes: number): Buffer {
  const header = Buffer.of(0x78, 0x01);
  const deflated = deflateRawSync(content);
  const checksum = deflateSync(content).subarray(-4);
  const room = bytes - header.length - deflated.length - checksum.length;
  const blocks = Buffer.alloc(Math.floor(room / 5) * 5, Buffer.of(0, 0, 0, 0xff, 0xff));
  return Buffer.concat([header, blocks, deflated, checksum]);
}

/** A zlib stream of zeros, which are never in memory at once. @param mebibytes of zeros. */
export async function deflatedZeros(mebibytes: number): Promise<Buffer> {
  const piece = Buffer.alloc(1024 * 1024);
  const zeros = Readable.from(Array.from({ length: mebibytes }, () => piece));
  return buffer(zeros.pipe(createDeflate({ level: 1 })));
}
