import type { HttpClient } from 'isomorphic-git';
import { SnapshotError } from '../errors.js';
import { encodePktLine, FLUSH_PKT, readPktLines } from '../git/pkt-line.js';

/**
 * isomorphic-git reads a ref advertisement that fails or ends too early as if it were complete: refs
 * would be missing, or all of them. This client passes answers on and keeps what was wrong with one.
 */
export class AdvertisementClient implements HttpClient {
  readonly #http: HttpClient;
  readonly #signal: AbortSignal;
  #failure: unknown;

  /** @param signal ends the request, and the reading of its answer. */
  constructor(http: HttpClient, signal: AbortSignal) {
    this.#http = http;
    this.#signal = signal;
  }

  /** What an answer failed with while it was read, if it did. */
  get failure(): unknown {
    return this.#failure;
  }

  readonly request: HttpClient['request'] = async (asked) => {
    const answer = await this.#http.request({ ...asked, signal: this.#signal });
    return answer.body === undefined ? answer : { ...answer, body: this.#watch(answer.body) };
  };

  async *#watch(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    try {
      yield* wholeAdvertisement(body);
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }
}

/**
 * Passes a smart server's answer on (gitprotocol-http, "Smart Server Response"): a flush ends the
 * service line, and another one the refs.
 *
 * @throws SnapshotError `UPSTREAM_INVALID` when it does not end there.
 */
async function* wholeAdvertisement(body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void> {
  let flushes = 0;
  let flushed = false;
  for await (const line of readPktLines(body)) {
    flushed = line.kind === 'flush';
    if (flushed) flushes++;
    yield line.kind === 'data' ? encodePktLine(line.payload) : FLUSH_PKT;
  }
  if (!flushed || flushes < 2) {
    throw new SnapshotError('UPSTREAM_INVALID', 'the list of refs ends before its flush');
  }
}
