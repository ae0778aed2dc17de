import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** Senders list one signature for each secret that they still know. */
const MAX_SIGNATURES = 32;

/**
 * How a delivery proves where it comes from.
 *
 * - `message`: Standard Webhooks, over id, time and body: GitLab's signing tokens.
 * - `body`: `X-Hub-Signature-256`, over the body: GitHub, Gitea, Forgejo.
 * - `token`: `X-Gitlab-Token`, the secret itself, over nothing.
 */
export type Proof = 'message' | 'body' | 'token';

/** The strongest proof in the headers. If it is wrong, a weaker proof beside it does not count. */
export function proofOf(headers: IncomingHttpHeaders): Proof | undefined {
  if (headers['webhook-signature'] !== undefined) return 'message';
  if (headers['x-hub-signature-256'] !== undefined) return 'body';
  return headers['x-gitlab-token'] === undefined ? undefined : 'token';
}

/**
 * Whether a delivery can be authentic with any body. If not, its body need not be read. A token is checked
 * in full here.
 *
 * @param now milliseconds since the epoch.
 */
export function mayBeAuthentic(
  proof: Proof,
  headers: IncomingHttpHeaders,
  secrets: readonly string[],
  now: number,
): boolean {
  switch (proof) {
    case 'message': {
      const isNamed = text(headers, 'webhook-id') !== '';
      const isSigned = messageSignatures(headers).length > 0;
      return isNamed && isSigned && isTimely(text(headers, 'webhook-timestamp'), now);
    }
    case 'body':
      return /^sha256=[0-9a-f]{64}$/.test(text(headers, 'x-hub-signature-256'));
    case 'token':
      return anyEqual([text(headers, 'x-gitlab-token')], secrets);
  }
}

/** Whether a delivery that passed `mayBeAuthentic` is authentic. */
export function isAuthentic(
  proof: Proof,
  headers: IncomingHttpHeaders,
  body: Buffer,
  secrets: readonly string[],
): boolean {
  switch (proof) {
    case 'message': {
      const id = text(headers, 'webhook-id');
      const message = { id, timestamp: text(headers, 'webhook-timestamp'), body };
      const signed = secrets.map((secret) => signMessage(secret, message));
      return anyEqual(messageSignatures(headers), signed);
    }
    case 'body': {
      const signed = secrets.map(
        (secret) => `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
      );
      return anyEqual([text(headers, 'x-hub-signature-256')], signed);
    }
    case 'token':
      return anyEqual([text(headers, 'x-gitlab-token')], secrets);
  }
}

function messageSignatures(headers: IncomingHttpHeaders): string[] {
  const signatures = text(headers, 'webhook-signature').split(' ', MAX_SIGNATURES);
  return signatures.filter(isMessageSignature);
}

/**
 * The marks that identify an authentic delivery: its ids, and the body if the proof covers only that. An
 * attacker who replays a body can choose a new `X-GitHub-Delivery`, but two pushes never have the same body:
 * it holds the time of the push. GitLab's bodies hold no time, and a token covers nothing: only the id
 * counts there.
 */
export function marksOf(proof: Proof, headers: IncomingHttpHeaders, body: Buffer): string[] {
  const ids = {
    message: ['webhook-id'],
    body: ['x-github-delivery'],
    // Deliveries that one delivery caused share the second id.
    token: headers['idempotency-key'] === undefined ? ['x-gitlab-event-uuid'] : ['idempotency-key'],
  };
  const marks = ids[proof]
    .filter((name) => headers[name] !== undefined)
    .map((name) => digest(`${name} ${text(headers, name)}`));
  return proof === 'body' ? [...marks, digest(body)] : marks;
}

function text(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  return typeof value === 'string' ? value : '';
}

function digest(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('base64');
}

/** A message of the Standard Webhooks specification, which GitLab's signing tokens follow. */
interface SignedMessage {
  readonly id: string;
  /** Seconds since the epoch, in decimal. */
  readonly timestamp: string;
  readonly body: Buffer;
}

/** Seconds by which a message's time may differ from this clock. */
const TOLERANCE = 5 * 60;

const ENCODED_SECRET = /^whsec_([A-Za-z0-9+/]+={0,2})$/;

/** `v1,{base64}`: HMAC-SHA256 of `{id}.{timestamp}.{body}`. */
export function signMessage(secret: string, { id, timestamp, body }: SignedMessage): string {
  const hmac = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.`).update(body);
  return `v1,${hmac.digest('base64')}`;
}

/** Whether a text has the form of what `signMessage` gives. */
function isMessageSignature(text: string): boolean {
  return /^v1,[A-Za-z0-9+/]{43}=$/.test(text);
}

/** @param now milliseconds since the epoch. */
function isTimely(timestamp: string, now: number): boolean {
  return /^\d{1,12}$/.test(timestamp) && Math.abs(now / 1000 - Number(timestamp)) <= TOLERANCE;
}

/** The bytes of `whsec_{base64}`. A secret in any other form is taken as text. */
function keyOf(secret: string): Buffer {
  const encoded = ENCODED_SECRET.exec(secret)?.[1];
  return encoded === undefined ? Buffer.from(secret) : Buffer.from(encoded, 'base64');
}

/**
 * Whether any text of one list equals any text of another. The time does not depend on where they differ,
 * how long the expected texts are, or which pair is equal: all pairs of digests under a random key are
 * compared.
 */
function anyEqual(presented: readonly string[], expected: readonly string[]): boolean {
  const key = randomBytes(32);
  const digest = (text: string) => createHmac('sha256', key).update(text).digest();
  const wanted = expected.map(digest);
  let equal = false;
  for (const one of presented.map(digest)) {
    for (const other of wanted) equal = timingSafeEqual(one, other) || equal;
  }
  return equal;
}
