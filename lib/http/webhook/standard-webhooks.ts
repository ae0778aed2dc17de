import { createHmac } from 'node:crypto';

/** The headers of the Standard Webhooks specification, which GitLab's signing tokens follow. */
export interface SignedMessage {
  readonly id: string;
  /** Seconds since the epoch, in decimal. */
  readonly timestamp: string;
  readonly body: Buffer;
}

/** Seconds that a message may be old, or ahead of this clock. */
const TOLERANCE = 5 * 60;

const ENCODED_SECRET = /^whsec_([A-Za-z0-9+/]+={0,2})$/;

/** `v1,{base64}`: HMAC-SHA256 of `{id}.{timestamp}.{body}`. */
export function signMessage(secret: string, { id, timestamp, body }: SignedMessage): string {
  const hmac = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.`).update(body);
  return `v1,${hmac.digest('base64')}`;
}

/** Whether a text has the form of what `signMessage` gives. */
export function isMessageSignature(text: string): boolean {
  return /^v1,[A-Za-z0-9+/]{43}=$/.test(text);
}

/** @param now milliseconds since the epoch. */
export function isTimely(timestamp: string, now: number): boolean {
  return /^\d{1,12}$/.test(timestamp) && Math.abs(now / 1000 - Number(timestamp)) <= TOLERANCE;
}

/** The bytes behind `whsec_{base64}`; of a secret in any other form, its own. */
function keyOf(secret: string): Buffer {
  const encoded = ENCODED_SECRET.exec(secret)?.[1];
  return encoded === undefined ? Buffer.from(secret) : Buffer.from(encoded, 'base64');
}
