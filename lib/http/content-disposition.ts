/** What `encodeURIComponent` leaves alone but RFC 8187 does not allow in an extended value. */
const NOT_ATTR_CHAR = /['()*]/g;

/**
 * `Content-Disposition: attachment` (RFC 6266) for a well-formed file name of any characters. A name
 * that a quoted string cannot carry safely is also given as `filename*`, which clients prefer; `%` is
 * among those because some clients decode escapes in the plain form.
 */
export function attachment(filename: string): string {
  const plain = filename.replace(/[^\x20-\x7e]|["\\%]/gu, '_');
  const value = `attachment; filename="${plain}"`;
  return plain === filename ? value : `${value}; filename*=UTF-8''${encodeExtended(filename)}`;
}

function encodeExtended(text: string): string {
  return encodeURIComponent(text).replace(
    NOT_ATTR_CHAR,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
