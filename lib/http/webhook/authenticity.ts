import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** The proof that a delivery comes from the git host. */
export interface Proof {
  /** Whether the delivery is authentic with this body. */
  covers(body: Buffer): boolean;
  /** The marks that identify an authentic delivery, so that a replay of it is recognized. */
  marksWith(body: Buffer): string[];
}

/**
 * Finds the strongest proof in the headers. If it is wrong, a weaker one beside it does not count.
 * `undefined`: no body can make the delivery authentic, so it need not be read.
 *
 * @param now milliseconds since the epoch.
 */
export function proofOf(
  headers: IncomingHttpHeaders,
  secrets: readonly string[],
  now: number,
): Proof | undefined {
  if (headers['webhook-signature'] !== undefined) return signedMessage(headers, secrets, now);
  if (headers['x-hub-signature-256'] !== undefined) return signedBody(headers, secrets);
  return token(headers, secrets);
}

/** Senders list one signature for each secret that they still know. */
const MAX_SIGNATURES = 32;

/** Standard Webhooks, which sign id, time and body: GitLab's signing tokens. */
function signedMessage(
  headers: IncomingHttpHeaders,
  secrets: readonly string[],
  now: number,
): Proof | undefined {
  const id = text(headers, 'webhook-id');
  const timestamp = text(headers, 'webhook-timestamp');
  const signatures = text(headers, 'webhook-signature')
    .split(' ', MAX_SIGNATURES)
    .filter((signature) => /^v1,[A-Za-z0-9+/]{43}=$/.test(signature));
  if (id === '' || signatures.length === 0 || !isTimely(timestamp, now)) return undefined;
  const sign = (body: Buffer) => (secret: string) => signMessage(secret, { id, timestamp, body });
  return {
    covers: (body) => anyEqual(signatures, secrets.map(sign(body))),
    marksWith: () => idMarks(headers, 'webhook-id'),
  };
}

/** `X-Hub-Signature-256`, which signs the body: GitHub, Gitea, Forgejo. */
function signedBody(headers: IncomingHttpHeaders, secrets: readonly string[]): Proof | undefined {
  const signature = text(headers, 'x-hub-signature-256');
  if (!/^sha256=[0-9a-f]{64}$/.test(signature)) return undefined;
  const sign = (body: Buffer) => (secret: string) =>
    `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
  return {
    covers: (body) => anyEqual([signature], secrets.map(sign(body))),
    // A body can be replayed under a new id. No two pushes have one body: it holds the time.
    marksWith: (body) => [...idMarks(headers, 'x-github-delivery'), digest(body)],
  };
}

/** `X-Gitlab-Token`: the secret itself, which signs nothing. GitLab's bodies hold no time. */
function token(headers: IncomingHttpHeaders, secrets: readonly string[]): Proof | undefined {
  if (!anyEqual([text(headers, 'x-gitlab-token')], secrets)) return undefined;
  // Several deliveries have the same event id if one delivery caused them.
  const id = headers['idempotency-key'] === undefined ? 'x-gitlab-event-uuid' : 'idempotency-key';
  return { covers: () => true, marksWith: () => idMarks(headers, id) };
}

function idMarks(headers: IncomingHttpHeaders, name: string): string[] {
  return headers[name] === undefined ? [] : [digest(`${name} ${text(headers, name)}`)];
}

function text(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  return typeof value === 'string' ? value : '';
}

function digest(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('base64');
}

/** `v1,{base64}`: HMAC-SHA256 of `{id}.{timestamp}.{body}`, the timestamp in decimal seconds. */
export function signMessage(
  secret: string,
  { id, timestamp, body }: { id: string; timestamp: string; body: Buffer },
): string {
  const hmac = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.`).update(body);
  return `v1,${hmac.digest('base64')}`;
}

/** Seconds by which a message's time may differ from this clock. */
const TOLERANCE = 5 * 60;

/** @param now milliseconds since the epoch. */
function isTimely(timestamp: string, now: number): boolean {
  return /^\d{1,12}$/.test(timestamp) && Math.abs(now / 1000 - Number(timestamp)) <= TOLERANCE;
}

/** The bytes of `whsec_{base64}`. A secret in any other form is taken as text. */
function keyOf(secret: string): Buffer {
  const encoded = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret)?.[1];
  return encoded === undefined ? Buffer.from(secret) : Buffer.from(encoded, 'base64');
}

/**
 * Whether any text of one list equals any of the other. Compares all pairs of digests under a
 * random key: so the time tells neither where texts differ, how long they are, nor which pair is
 * equal.
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
