import { once } from 'node:events';
import { append, flipAt, interruptAt, slowDown, wrongTrailer } from './pack-filters.js';
import { type PackFilter, SideBandError, wrapPack } from './pack-stream.js';
import { encodePacket, FLUSH } from './pkt-line.js';
import type { Service, UpstreamRequest } from './upstream-request.js';

/** What an upstream can do wrong. Offsets and lengths count bytes of the pack itself. */
export type Fault =
  /** `retryAfter`: seconds. */
  | {
      kind: 'status';
      status: 401 | 403 | 404 | 429 | 500 | 503;
      retryAfter?: number;
      on?: Service;
    }
  | { kind: 'not-git'; on?: Service }
  /** Redirects to the same resource of the repository at the URL `to`. */
  | { kind: 'redirect'; to: string; status?: 301 | 302 | 303 | 307 | 308; on?: Service }
  | { kind: 'require-basic-auth'; username: string; password: string }
  /** `headers`: the status line is sent before the silence. */
  | { kind: 'hang-info-refs'; headers?: boolean }
  | { kind: 'hang-upload-pack'; headers?: boolean }
  /** It lists refs by protocol 0, whatever it is asked for, and refuses commands of protocol 2. */
  | { kind: 'protocol-0' }
  /** The advertisement of refs never ends. */
  | { kind: 'huge-refs' }
  /** Sent as a pkt-line `ERR`, or in side-band 3 after so many bytes of the pack. */
  | { kind: 'error-packet'; message: string; on: Service }
  | { kind: 'error-packet'; message: string; after: number }
  | { kind: 'stall'; after: number }
  /** The connection is closed within the body: of the pack or, with `on`, of the list of refs. */
  | { kind: 'die'; after: number; on?: 'info-refs' }
  /** The response ends as if it were complete. */
  | { kind: 'truncate'; after: number; on?: 'info-refs' }
  | { kind: 'wrong-trailer' }
  | { kind: 'flip'; at: number }
  | { kind: 'garbage-after'; bytes?: Uint8Array }
  | { kind: 'slow'; bytesPerSecond: number }
  /**
   * `refs` (name to object id) are advertised in place of the repository's own, by protocol 0; `head` is
   * the branch that HEAD is said to name.
   */
  | { kind: 'replace-pack'; pack: Uint8Array; refs?: AdvertisedRefs; head?: string };

/** Name to object id; an iterable where there are so many that an object of them takes much memory. */
export type AdvertisedRefs = Record<string, string> | Iterable<[name: string, oid: string]>;

/** A response that takes the place of git's. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Iterable<Buffer> | AsyncIterable<Buffer>;
  /** False: the status line waits for the first byte of the body. Default: true. */
  sendHeaders?: boolean;
}

/** Thrown while a body is sent: the connection is to be closed at once. */
export class ConnectionCut extends Error {}

/** The answer by which a fault takes the place of git; `undefined` leaves the request to git. */
export function answerFor(
  fault: Fault,
  request: UpstreamRequest,
  authorization: string | undefined,
  signal: AbortSignal,
): Answer | undefined {
  const { service } = request;
  if ('on' in fault && fault.on !== undefined && fault.on !== service) return undefined;
  switch (fault.kind) {
    case 'status':
      return plain(fault.status, {
        ...(fault.status === 401 && { 'www-authenticate': CHALLENGE }),
        ...(fault.retryAfter !== undefined && { 'retry-after': `${fault.retryAfter}` }),
      });
    case 'not-git':
      return { status: 200, headers: { 'content-type': 'text/html' }, body: [HTML] };
    case 'redirect': {
      const query = request.query === '' ? '' : `?${request.query}`;
      const location = `${fault.to}${request.resource}${query}`;
      return plain(fault.status ?? 302, { location });
    }
    case 'require-basic-auth': {
      const pair = Buffer.from(`${fault.username}:${fault.password}`).toString('base64');
      if (authorization === `Basic ${pair}`) return undefined;
      return plain(401, { 'www-authenticate': CHALLENGE });
    }
    case 'protocol-0':
      return service === 'ls-refs' ? plain(400, {}) : undefined;
    case 'hang-info-refs':
      return service === 'info-refs' ? hang(service, fault.headers, signal) : undefined;
    case 'hang-upload-pack':
      return service === 'upload-pack' ? hang(service, fault.headers, signal) : undefined;
    case 'huge-refs':
      return service === 'info-refs'
        ? smart(service, inPieces(advertise(endlessRefs())))
        : undefined;
    case 'error-packet':
      if ('after' in fault) return undefined;
      return smart(service, [encodePacket(`ERR ${fault.message}`), FLUSH]);
    case 'replace-pack':
      if (service === 'upload-pack') {
        return smart(service, wrapPack(fault.pack, fault.refs ? 0 : request.protocol));
      }
      return fault.refs && service === 'info-refs'
        ? smart(service, inPieces(advertise(entriesOf(fault.refs), fault.head)))
        : undefined;
    default:
      return undefined;
  }
}

/** What a fault does to the pack or the list of refs that git makes, if anything. */
export function filterFor(
  fault: Fault,
  service: Service | undefined,
  signal: AbortSignal,
): PackFilter | undefined {
  const on = 'on' in fault && fault.on !== undefined ? fault.on : 'upload-pack';
  if (on !== service) return undefined;
  switch (fault.kind) {
    case 'stall':
      return interruptAt(fault.after, () => aborted(signal));
    case 'truncate':
      return interruptAt(fault.after, async () => false);
    case 'die':
      return interruptAt(fault.after, async () => {
        throw new ConnectionCut();
      });
    case 'error-packet': {
      if (!('after' in fault)) return undefined;
      const { after, message } = fault;
      return interruptAt(after, async () => {
        throw new SideBandError(message);
      });
    }
    case 'wrong-trailer':
      return wrongTrailer;
    case 'flip':
      return flipAt(fault.at);
    case 'garbage-after':
      return append(fault.bytes ?? Buffer.from('garbage'));
    case 'slow':
      return slowDown(fault.bytesPerSecond, signal);
    default:
      return undefined;
  }
}

const CHALLENGE = 'Basic realm="upstream"';
const HTML = Buffer.from('<!doctype html>\n<title>Sign in</title>\n<p>No repository.\n');
const CAPABILITIES = 'multi_ack_detailed no-done side-band-64k ofs-delta agent=git/fake';

function plain(status: number, headers: Record<string, string>): Answer {
  return { status, headers: { ...headers, 'content-type': 'text/plain' }, body: [] };
}

function smart(service: Service | undefined, body: Answer['body']): Answer {
  const type = service === 'info-refs' ? 'advertisement' : 'result';
  return {
    status: 200,
    headers: { 'content-type': `application/x-git-upload-pack-${type}` },
    body,
  };
}

function hang(service: Service, sendHeaders = false, signal: AbortSignal): Answer {
  async function* silence(): AsyncGenerator<Buffer> {
    yield await aborted(signal);
  }
  return { ...smart(service, silence()), sendHeaders };
}

function entriesOf(refs: AdvertisedRefs): Iterable<[string, string]> {
  return isIterable(refs) ? refs : Object.entries(refs);
}

function isIterable(refs: AdvertisedRefs): refs is Iterable<[string, string]> {
  return Symbol.iterator in refs;
}

/** gitprotocol-http, "Smart Server Response". `HEAD` comes first when it is there. */
function* advertise(refs: Iterable<[name: string, oid: string]>, head?: string): Generator<Buffer> {
  yield encodePacket('# service=git-upload-pack\n');
  yield FLUSH;
  let capabilities = `\0${CAPABILITIES}${head === undefined ? '' : ` symref=HEAD:${head}`}`;
  for (const [name, oid] of refs) {
    yield encodePacket(`${oid} ${name}${capabilities}\n`);
    capabilities = '';
  }
  yield FLUSH;
}

function* endlessRefs(): Generator<[string, string]> {
  for (let i = 0; ; i++) yield [`refs/heads/${i}/${'x'.repeat(200)}`, '1'.repeat(40)];
}

/** Lines in pieces of about 64 KiB: a write for each of them would take most of the time. */
function* inPieces(lines: Iterable<Buffer>): Generator<Buffer> {
  let piece: Buffer[] = [];
  for (const line of lines) {
    if (piece.push(line) < 256) continue;
    yield Buffer.concat(piece);
    piece = [];
  }
  yield Buffer.concat(piece);
}

async function aborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
}
