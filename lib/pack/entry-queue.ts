import { wordAt } from './elements.js';

/*
 * Hands inflated pack entries from the scanning thread to a thread that resolves them: a ring in
 * shared memory with one writer and one reader, without locks.
 *
 * A record is the object's index, the length of the content and its work (4 bytes each), then the
 * content, padded to 8 bytes. A record never wraps around the ring's end. Positions grow modulo
 * 2^32, which the capacity divides. Invariant: the records between `READ` and `WRITTEN` are
 * complete, and no thread writes there.
 */

const CAPACITY = 8 * 1024 * 1024;
const RECORD_HEADER_BYTES = 12;
/** In place of an object's index: the rest of the ring up to its end is not used. */
const SKIP = 0xffff_ffff;
/** A larger number saves atomic operations, but makes the reader wait longer. */
const PUBLISH_BYTES = 64 * 1024;

/** Words of the control block. A position; the lowest bit: whether the writer pauses there. */
const WRITTEN = 0;
/** A position. */
const READ = 1;
/** 1 while the reader waits for `WRITTEN` to change. */
const READER_WAITS = 2;
/** Free bytes that the writer waits for; 0 when it does not wait. */
const WRITER_WANTS = 3;
/** The finished work, in the writer's unit; modulo 2^32. */
const DONE = 4;
/** 1 when the reader is to stop. */
const ABANDONED = 5;
const CONTROL_WORDS = 6;
const PAUSED = 1;

/** Structured-cloneable; both ends are made from it. */
export interface EntryQueueMemory {
  readonly ring: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
}

export function createEntryQueue(): EntryQueueMemory {
  return {
    ring: new SharedArrayBuffer(CAPACITY),
    control: new SharedArrayBuffer(CONTROL_WORDS * 4),
  };
}

export class EntryQueueWriter {
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  readonly #control: Int32Array;
  #position = 0;
  #published = 0;
  #read = 0;
  #work = 0;

  constructor({ ring, control }: EntryQueueMemory) {
    this.#bytes = new Uint8Array(ring);
    this.#words = new Uint32Array(ring);
    this.#control = new Int32Array(control);
  }

  /** Whether an entry with this much content can be put now. */
  hasRoom(contentBytes: number): boolean {
    return this.#isFree(roomFor(contentBytes));
  }

  get isHalfFree(): boolean {
    return this.#isFree(CAPACITY / 2);
  }

  /** Unfinished work. */
  get backlog(): number {
    return (this.#work - Atomics.load(this.#control, DONE)) | 0;
  }

  /** Only after `hasRoom`. @param work that this adds to the backlog. */
  put(object: number, content: Uint8Array, start: number, end: number, work: number): void {
    const length = end - start;
    const size = recordBytes(length);
    let at = this.#position % CAPACITY;
    if (at + size > CAPACITY) {
      this.#words[at / 4] = SKIP;
      this.#position = (this.#position + CAPACITY - at) >>> 0;
      at = 0;
    }
    this.#words[at / 4] = object;
    this.#words[at / 4 + 1] = length;
    this.#words[at / 4 + 2] = work;
    const whole = length === content.length ? content : content.subarray(start, end);
    this.#bytes.set(whole, at + RECORD_HEADER_BYTES);
    this.#position = (this.#position + size) >>> 0;
    this.#work = (this.#work + work) | 0;
    if ((this.#position - this.#published) >>> 0 >= PUBLISH_BYTES) this.publish();
  }

  /** Makes all entries that were put visible to the reader. */
  publish(): void {
    if (this.#published !== this.#position) this.#publish(0);
  }

  /**
   * Makes the reader say when there is room for an entry with this much content, and half of the
   * ring, so that waking up pays off. @returns `false` when there is room already.
   */
  askForRoom(contentBytes: number): boolean {
    this.publish();
    Atomics.store(this.#control, WRITER_WANTS, Math.max(roomFor(contentBytes), CAPACITY / 2));
    if (!this.hasRoom(contentBytes)) return true;
    // If the reader has seen the request meanwhile, its answer does no harm.
    Atomics.store(this.#control, WRITER_WANTS, 0);
    return false;
  }

  /** Makes `readAll` return after all entries that were put until now. */
  pause(): void {
    this.#publish(PAUSED);
  }

  /** Makes `readAll` return at once, now and later. */
  abandon(): void {
    Atomics.store(this.#control, ABANDONED, 1);
    // The changed word keeps a reader that is about to wait from waiting.
    this.pause();
    Atomics.notify(this.#control, WRITTEN);
  }

  /** Lets the next `readAll` read. Call it after `readAll` has returned. */
  resume(): void {
    this.#publish(0);
  }

  #publish(paused: number): void {
    this.#published = this.#position;
    Atomics.store(this.#control, WRITTEN, this.#position | paused);
    if (Atomics.load(this.#control, READER_WAITS) === 1) Atomics.notify(this.#control, WRITTEN);
  }

  #isFree(bytes: number): boolean {
    if (CAPACITY - ((this.#position - this.#read) >>> 0) >= bytes) return true;
    this.#read = Atomics.load(this.#control, READ);
    return CAPACITY - ((this.#position - this.#read) >>> 0) >= bytes;
  }
}

export type TakeEntry = (object: number, bytes: Buffer, start: number, end: number) => void;

/** Blocks its thread while it waits: only for threads without other work. */
export class EntryQueueReader {
  readonly #bytes: Buffer;
  readonly #words: Uint32Array;
  readonly #control: Int32Array;
  readonly #onRoom: () => void;
  #position = 0;

  /** @param onRoom called when the writer waits for room, and there is some. */
  constructor({ ring, control }: EntryQueueMemory, onRoom: () => void) {
    this.#bytes = Buffer.from(ring);
    this.#words = new Uint32Array(ring);
    this.#control = new Int32Array(control);
    this.#onRoom = onRoom;
  }

  /** Reads until the writer pauses or abandons. The bytes are valid during a call of `take`. */
  readAll(take: TakeEntry): void {
    while (!this.#isAbandoned) {
      const seen = Atomics.load(this.#control, WRITTEN);
      const written = (seen & ~PAUSED) >>> 0;
      if (written !== this.#position) this.#readUntil(written, take);
      else if ((seen & PAUSED) !== 0) return;
      else this.#waitForOther(seen);
    }
  }

  get #isAbandoned(): boolean {
    return Atomics.load(this.#control, ABANDONED) !== 0;
  }

  #readUntil(written: number, take: TakeEntry): void {
    while (this.#position !== written && !this.#isAbandoned) {
      const at = this.#position % CAPACITY;
      const object = wordAt(this.#words, at / 4);
      if (object === SKIP) {
        this.#advance(CAPACITY - at);
        continue;
      }
      const length = wordAt(this.#words, at / 4 + 1);
      const start = at + RECORD_HEADER_BYTES;
      const work = wordAt(this.#words, at / 4 + 2);
      take(object, this.#bytes, start, start + length);
      Atomics.add(this.#control, DONE, work);
      this.#advance(recordBytes(length));
    }
  }

  #advance(bytes: number): void {
    this.#position = (this.#position + bytes) >>> 0;
    Atomics.store(this.#control, READ, this.#position | 0);
    const wanted = Atomics.load(this.#control, WRITER_WANTS);
    if (wanted === 0) return;
    const written = (Atomics.load(this.#control, WRITTEN) & ~PAUSED) >>> 0;
    if (CAPACITY - ((written - this.#position) >>> 0) < wanted) return;
    if (Atomics.exchange(this.#control, WRITER_WANTS, 0) !== 0) this.#onRoom();
  }

  #waitForOther(seen: number): void {
    Atomics.store(this.#control, READER_WAITS, 1);
    Atomics.wait(this.#control, WRITTEN, seen);
    Atomics.store(this.#control, READER_WAITS, 0);
  }
}

/** At the ring's end, the writer may skip as many bytes as the record has. */
function roomFor(contentBytes: number): number {
  return 2 * (contentBytes + 2 * RECORD_HEADER_BYTES);
}

function recordBytes(contentBytes: number): number {
  return (RECORD_HEADER_BYTES + contentBytes + 7) & ~7;
}
