import { encodePacket, encodeSideBand, FLUSH, readPackets } from './pkt-line.js';

/** Gives the pack that is sent instead of the one that git made. */
export type PackFilter = (pack: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;

/** Thrown by a filter: the pack goes on as an error in side-band 3. */
export class SideBandError extends Error {}

/**
 * Passes the pack inside an upload-pack response (protocol 0 to 2) through a filter. Everything else
 * of the response stays: what comes before the pack, progress in between, the flush at its end. A
 * response without a pack (a round of negotiation, `ls-refs`) is not touched.
 *
 * Limit: the client must have asked for a side-band, as git and isomorphic-git always do.
 */
export async function* rewritePack(
  response: AsyncIterable<Buffer>,
  filter: PackFilter,
): AsyncGenerator<Buffer> {
  const packets = readPackets(response);
  const aside: Buffer[] = [];
  async function* packFrom(first: Buffer): AsyncGenerator<Buffer> {
    yield first;
    for await (const { raw, payload } of packets) {
      if (payload === undefined) return;
      if (payload[0] === 1) yield payload.subarray(1);
      else aside.push(raw);
    }
  }
  try {
    // Not `for await`, which would end `packets` when the loop is left.
    for (let next = await packets.next(); !next.done; next = await packets.next()) {
      const { raw, payload } = next.value;
      if (payload?.[0] !== 1) {
        yield raw;
        continue;
      }
      try {
        for await (const bytes of filter(packFrom(payload.subarray(1)))) {
          yield* aside.splice(0);
          yield* encodeSideBand(1, bytes);
        }
      } catch (error) {
        if (!(error instanceof SideBandError)) throw error;
        yield* encodeSideBand(3, Buffer.from(error.message));
      }
      yield* aside.splice(0);
      yield FLUSH;
      return;
    }
  } finally {
    await packets.return(undefined);
  }
}

/** An upload-pack response with the given bytes as its pack. */
export function* wrapPack(pack: Uint8Array, protocol: number): Generator<Buffer> {
  yield encodePacket(protocol === 2 ? 'packfile\n' : 'NAK\n');
  yield* encodeSideBand(1, pack);
  yield FLUSH;
}
