/*
 * Names that Windows can't have. git for Windows refuses the same (`is_valid_win32_path` of
 * compat/mingw.c). Names are bytes as latin1.
 */

/** Separators, streams (`file:stream`), wildcards, control characters; ends that Windows drops. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the rule is about control characters
const SPECIAL = /[\x00-\x1f\\:<>"|?*]|[. ]$/;

/** Devices, with any extension. The ends of COM¹, COM² and COM³ have two bytes. */
const DEVICE =
  /^(?:con|prn|aux|nul|(?:com|lpt)(?:[1-9]|\xc2[\xb9\xb2\xb3])|con(?:in|out)\$) *(?:\.|$)/i;

/** Windows has names in UTF-16: it would replace bytes that are no UTF-8. */
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The reason why Windows can't have a path; `undefined` if it can. */
export function windowsRefusal(path: string): string | undefined {
  const isRefused = (name: string) => SPECIAL.test(name) || DEVICE.test(name);
  if (path.split('/').some(isRefused)) return 'Windows has no such names';
  try {
    UTF_8.decode(Buffer.from(path, 'latin1'));
    return undefined;
  } catch {
    return 'it is not UTF-8';
  }
}
