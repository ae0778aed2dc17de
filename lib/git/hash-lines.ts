import type { Hash } from 'node:crypto';

/** Characters that are hashed at once: a call costs as much as a few hundred of them. */
const PIECE_LENGTH = 64 * 1024;

/** Hashes many short texts as one. */
export function hashLines(hash: Hash, lines: Iterable<string>, encoding: 'latin1' | 'utf8'): void {
  let piece = '';
  for (const line of lines) {
    piece += line;
    if (piece.length < PIECE_LENGTH) continue;
    hash.update(piece, encoding);
    piece = '';
  }
  hash.update(piece, encoding);
}
