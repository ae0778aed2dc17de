import { createHash, timingSafeEqual } from 'node:crypto';

/**
 * Makes a check for `Authorization: Bearer {token}` (RFC 6750) that takes as long for a wrong token as
 * for the right one: the digests that are compared always have the same length.
 */
export function bearerTokenCheck(token) {
  const expected = digest(token);
  return (req) => {
    const [, given = ''] = /^Bearer +(\S+)$/i.exec(req.get('authorization') ?? '') ?? [];
    return timingSafeEqual(digest(given), expected);
  };
}

function digest(text) {
  return createHash('sha256').update(text).digest();
}
