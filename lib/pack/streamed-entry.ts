import { createHash, type Hash } from 'node:crypto';
import { isObjectType, objectHeader } from '../git/object.js';
import { invalid } from './errors.js';
import { type EntryHeader, EntryType } from './format.js';
import { StreamingInflate } from './inflate.js';

/** The most bytes that both sizes of a delta take. */
const HEAD_BYTES = 20;

/** An entry too large to be held: its content is hashed as it passes. */
export class StreamedEntry {
  readonly type: number;
  readonly size: number;
  readonly baseDistance: number;
  readonly baseOid: Buffer | undefined;
  readonly oidHash: Hash | undefined;
  readonly inflate: StreamingInflate;
  /** The first bytes of its content. */
  head: Buffer = Buffer.alloc(0);
  deflated = 0;
  inflated = 0;
  crc = 0;

  constructor(
    readonly offset: number,
    header: Readonly<EntryHeader>,
    bytes: Buffer,
  ) {
    this.type = header.type;
    this.size = header.size;
    this.baseDistance = header.baseDistance;
    if (header.type === EntryType.refDelta) {
      this.baseOid = Buffer.from(bytes.subarray(header.baseOidAt, header.baseOidAt + 20));
    }
    if (isObjectType(header.type)) {
      this.oidHash = createHash('sha1').update(objectHeader(header.type, header.size));
    }
    this.inflate = new StreamingInflate((chunk) => {
      this.inflated += chunk.length;
      if (this.inflated > this.size)
        throw invalid(`the entry at ${offset} is longer than declared`);
      if (this.head.length < HEAD_BYTES) {
        const more = chunk.subarray(0, HEAD_BYTES - this.head.length);
        this.head = Buffer.concat([this.head, more]);
      }
      this.oidHash?.update(chunk);
    });
  }
}
