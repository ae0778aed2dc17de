/*
 * The protocol between tests and the spawner, with one connection for each program. The test sends a line of JSON
 * with the order to start, then the standard input of the program, and half closes the connection. The spawner
 * sends frames: one byte for the type, four bytes for the length, then the bytes. An order to kill comes as one
 * line on another connection.
 */

export type SpawnerOrder =
  | { readonly kind: 'start'; readonly id: string; readonly request: ProgramRequest }
  | { readonly kind: 'kill'; readonly id: string };

export interface ProgramRequest {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string | undefined;
  readonly env: Record<string, string | undefined>;
}

export const FrameType = { stdout: 1, stderr: 2, outcome: 3 } as const;

export function encodeFrame(type: number, bytes: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head[0] = type;
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

export class FrameReader {
  #held: Buffer = Buffer.alloc(0);

  *push(chunk: Buffer): Generator<{ type: number; bytes: Buffer }> {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    while (this.#held.length >= 5) {
      const end = 5 + this.#held.readUInt32LE(1);
      if (this.#held.length < end) return;
      const type = this.#held[0] ?? 0;
      const bytes = this.#held.subarray(5, end);
      this.#held = this.#held.subarray(end);
      yield { type, bytes };
    }
  }
}
