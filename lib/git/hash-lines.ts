import type { Hash } from 'node:crypto';

/** Characters that are hashed at once: a call takes as long as some hundred of them. */
const PIECE_LENGTH = 64 * 1024;

/** Hashes very many short texts, as if they were one. */
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
