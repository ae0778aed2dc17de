import { hasCode, messageOf, SnapshotError } from '../errors.js';

/**
 * Refusals by a server that works. They stay until somebody corrects the options, the server, or the
 * user's rights. `ERR` is for commands that the server does not know or does not understand. Other
 * replies, such as LOADING, MASTERDOWN, CLUSTERDOWN and OOM, are about the state of the server.
 */
const REFUSED =
  /(?:^|[Ll]ast error: )(?:WRONGPASS|NOAUTH|NOPERM|READONLY|DENIED|MOVED|CROSSSLOT|ERR (?!max number of clients))/;

/** Codes of OpenSSL and Node for a certificate that is refused, or a peer that does not speak TLS. */
const TLS = /^(?:ERR_SSL_|ERR_TLS_|CERT_|EPROTO$|[A-Z_]*SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY))/;

/**
 * The failure of a command or connection: `INVALID_OPTIONS` if the server refuses this app or the
 * reverse, else `LOCK_UNAVAILABLE`.
 */
export function redisFailure(cause: unknown, what = 'the lock server failed'): SnapshotError {
  const reasons = reasonsOf(cause);
  const message = reasons.map(messageOf).join(', ');
  if (!reasons.some(isRefusal)) {
    return new SnapshotError('LOCK_UNAVAILABLE', `${what}: ${message}`, { cause });
  }
  return new SnapshotError('INVALID_OPTIONS', `Redis refuses these locks: ${message}`, { cause });
}

/** ioredis groups the failures of several addresses, or of all nodes of a cluster. */
function reasonsOf(error: unknown): unknown[] {
  if (error instanceof AggregateError) return error.errors.flatMap(reasonsOf);
  if (error instanceof Error && 'lastNodeError' in error && error.lastNodeError !== undefined) {
    return [error, ...reasonsOf(error.lastNodeError)];
  }
  return [error];
}

function isRefusal(error: unknown): boolean {
  return REFUSED.test(messageOf(error)) || (hasCode(error) && TLS.test(error.code));
}
