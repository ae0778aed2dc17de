import { SnapshotError } from '../errors.js';
import { encodePktLine, FLUSH_PKT, type PktLine, readPktLines } from './pkt-line.js';

/* The exchange of protocol v0/v1 over HTTP: gitprotocol-pack(5) and gitprotocol-http(5). */

const CAPABILITIES = ['multi_ack_detailed', 'no-done', 'side-band-64k', 'ofs-delta'];

/**
 * The request body of a fetch. It sends all haves at once and then `done`, so that the upstream
 * answers with the pack, without rounds of negotiation. It does not ask for a thin pack.
 *
 * @param haves ids of commits in the mirror; none for a clone.
 * @param offered the capabilities of the upstream's ref advertisement; the request uses no others.
 */
export function encodeFetchRequest(
  wants: readonly string[],
  haves: readonly string[],
  offered: ReadonlySet<string>,
  agent: string,
): Buffer {
  const asked = CAPABILITIES.filter((capability) => offered.has(capability));
  if (!asked.includes('side-band-64k')) {
    throw new SnapshotError('REPOSITORY_UNSUPPORTED', 'the upstream does not offer side-band-64k');
  }
  asked.push(...agentCapability(agent, offered));
  const lines = wants.map((want, i) => {
    return encodePktLine(i === 0 ? `want ${want} ${asked.join(' ')}\n` : `want ${want}\n`);
  });
  lines.push(FLUSH_PKT, ...haves.map((have) => encodePktLine(`have ${have}\n`)));
  return Buffer.concat([...lines, encodePktLine('done\n')]);
}

/** gitprotocol-capabilities(5): a client may send it only to an upstream that does. Else empty. */
export function agentCapability(userAgent: string, offered: ReadonlySet<string>): string[] {
  const isOffered = [...offered].some((capability) => capability.startsWith('agent='));
  return isOffered ? [`agent=${userAgent.replace(/[^\x21-\x7e]/g, '-')}`] : [];
}

const PACK_BAND = 1;
const PROGRESS_BAND = 2;
const ERROR_BAND = 3;

const REPORT = 'the upstream reports: ';

const ACKNOWLEDGEMENT = /^ACK [0-9a-f]{40}(?: (?:continue|common|ready))?$/;

/**
 * Yields the bytes of the pack in the answer to a fetch request, never an empty piece. Each piece
 * is a view, valid until the next is read.
 *
 * @param onProgress gets the upstream's progress text as it comes.
 * @throws SnapshotError `UPSTREAM_UNREACHABLE` for an error that the upstream reports,
 * `UPSTREAM_INVALID` for an answer that is not what the protocol says or is cut.
 */
export async function* readFetchAnswer(
  body: AsyncIterable<Uint8Array>,
  onProgress: (text: string) => void,
): AsyncGenerator<Buffer> {
  let inPack = false;
  let complete = false;
  for await (const line of readPktLines(body)) {
    if (line.kind === 'flush' && inPack) {
      complete = true;
      continue;
    }
    if (line.kind !== 'data' || complete) throw unexpected(line);
    if (!isSideBand(line.payload)) {
      if (inPack) throw unexpected(line);
      checkNegotiation(line.payload);
      continue;
    }
    inPack = true;
    const band = line.payload[0];
    const payload = line.payload.subarray(1);
    if (band === ERROR_BAND) throw reported(payload);
    if (band === PROGRESS_BAND) onProgress(payload.toString());
    // An empty packet only keeps the connection alive (uploadpack.keepAlive of git-config(1)).
    else if (payload.length > 0) yield payload;
  }
  if (!complete) throw new SnapshotError('UPSTREAM_INVALID', 'the answer ends before its flush');
}

function isSideBand(payload: Buffer): boolean {
  const band = payload[0];
  return band === PACK_BAND || band === PROGRESS_BAND || band === ERROR_BAND;
}

/** Before the pack: `ACK` for haves that the upstream knows, `NAK` if it knows none. */
function checkNegotiation(payload: Buffer): void {
  const text = payload.toString().trimEnd();
  if (text === 'NAK' || ACKNOWLEDGEMENT.test(text)) return;
  if (text.startsWith('ERR ')) throw reported(payload.subarray(4));
  if (text.startsWith('shallow ')) {
    throw new SnapshotError('REPOSITORY_UNSUPPORTED', 'the upstream is a shallow repository');
  }
  throw new SnapshotError('UPSTREAM_INVALID', 'the upstream answered neither ACK, NAK nor a pack');
}

/** Whether the upstream reports that it lacks an object, or does not serve it by its id. */
export function isNotOurRef(error: unknown): boolean {
  return SnapshotError.is(error) && error.message.startsWith(`${REPORT}upload-pack: not our ref`);
}

function reported(payload: Buffer): SnapshotError {
  const text = payload.toString().trim().slice(0, 1000);
  return new SnapshotError('UPSTREAM_UNREACHABLE', REPORT + text);
}

function unexpected(line: PktLine): SnapshotError {
  return new SnapshotError('UPSTREAM_INVALID', `unexpected ${line.kind} in the upstream's answer`);
}
