import type { Range } from './replace-ranges.js';

const LF = 0x0a;
const CR = 0x0d;
const SUBSTITUTE = 0x1a;
const DELETE = 0x7f;

/** Control characters that occur in text: backspace, tab, form feed and escape. */
const TEXT_CONTROLS = new Set([0x08, 0x09, 0x0c, 0x1b]);

/** Before each line feed without a CR: git inserts one there (convert.c, `crlf_to_worktree`). */
export function* bareLineFeeds(blob: Buffer): Generator<Range> {
  for (let at = blob.indexOf(LF); at >= 0; at = blob.indexOf(LF, at + 1)) {
    if (blob[at - 1] !== CR) yield { start: at, end: at };
  }
}

/**
 * Whether `text=auto` lets line ends change: in a blob that has no CR at all and does not look
 * binary (convert.c, `will_convert_lf_to_crlf` and `convert_is_binary`).
 */
export function isConvertibleText(blob: Buffer): boolean {
  if (blob.includes(CR) || blob.includes(0)) return false;
  let lines = 0;
  let unprintable = 0;
  for (const byte of blob) {
    if (byte === LF) lines += 1;
    else if (byte === DELETE || (byte < 0x20 && !TEXT_CONTROLS.has(byte))) unprintable += 1;
  }
  const printable = blob.length - lines - unprintable;
  // DOS marked the end of a text with it.
  if (blob.at(-1) === SUBSTITUTE) unprintable -= 1;
  return Math.floor(printable / 128) >= unprintable;
}
