import { SnapshotError } from '../errors.js';
import { binarySearch } from './binary-search.js';
import { OID_PATTERN } from './object.js';
import { isValidRefName, type Ref } from './refs.js';

const HEADER = '# pack-refs with: peeled fully-peeled sorted \n';
const OID_DIGITS = 40;
const LINE_FEED = 0x0a;
const FIRST_BYTES = 4096;

/**
 * Refs in the order of their names, each name once. They are kept as the text of a `packed-refs`
 * file (git-pack-refs(1)), as there may be hundreds of thousands. Memory: the text, and 4 bytes a
 * ref.
 */
export class RefList implements Iterable<Ref> {
  /** The content of a `packed-refs` file. */
  readonly packed: Buffer;
  /** Where the line of each ref begins, and at last where the text ends. */
  readonly #starts: Uint32Array;

  /** For `RefListBuilder`. */
  constructor(packed: Buffer, starts: Uint32Array) {
    this.packed = packed;
    this.#starts = starts;
  }

  /** @param bytes as in `RefListBuilder`. @throws RangeError when two refs have one name. */
  static of(refs: Iterable<Ref>, bytes?: number): RefList {
    const builder = new RefListBuilder(bytes);
    for (const { name, oid, peeled } of refs) builder.add(name, oid, peeled);
    const list = builder.build();
    if (list === undefined) throw new RangeError('a ref is there twice');
    return list;
  }

  get length(): number {
    return this.#starts.length - 1;
  }

  *[Symbol.iterator](): Generator<Ref> {
    for (let i = 0; i < this.length; i++) yield this.#at(i);
  }

  /** The id that each ref names, not peeled. */
  *oids(): Generator<string> {
    for (let i = 0; i < this.length; i++) {
      const start = this.#startOf(i);
      yield this.packed.toString('latin1', start, start + OID_DIGITS);
    }
  }

  find(name: string): Ref | undefined {
    const at = binarySearch(0, this.length, (i) => this.#at(i).name < name);
    const found = at < this.length ? this.#at(at) : undefined;
    return found?.name === name ? found : undefined;
  }

  /** Each ref, with the ref of another list that has the same name and id. */
  *beside(other: RefList): Generator<readonly [ref: Ref, same: Ref | undefined]> {
    const others = other[Symbol.iterator]();
    let next = others.next();
    for (const ref of this) {
      while (!next.done && next.value.name < ref.name) next = others.next();
      const isSame = !next.done && next.value.name === ref.name && next.value.oid === ref.oid;
      yield [ref, isSame ? next.value : undefined];
    }
  }

  /** Refs that another list lacks, or has with another id. */
  *notIn(other: RefList): Generator<Ref> {
    for (const [ref, same] of this.beside(other)) if (same === undefined) yield ref;
  }

  /** A list that was built out of order, in order; `undefined` when two refs have one name. */
  sorted(): RefList | undefined {
    const text = this.packed;
    // A line feed is less than all bytes of names, so `main` comes before `main2`.
    const nameAt = (i: number) => this.#startOf(i) + OID_DIGITS + 1;
    const endOf = (i: number) => this.#startOf(i + 1);
    const order = Uint32Array.from({ length: this.length }, (_, i) => i).sort((a, b) =>
      text.compare(text, nameAt(b), endOf(b), nameAt(a), endOf(a)),
    );
    const builder = new RefListBuilder(text.length);
    let latest = '';
    for (const index of order) {
      const { name, oid, peeled } = this.#at(index);
      if (name === latest) return undefined;
      latest = name;
      builder.add(name, oid, peeled);
    }
    return builder.build();
  }

  /** Where the line of a ref begins, or the text ends. */
  #startOf(index: number): number {
    const start = this.#starts[index];
    if (start === undefined) throw new RangeError(`the list has no ref ${index}`);
    return start;
  }

  #at(index: number): Ref {
    const text = this.packed;
    const start = this.#startOf(index);
    const end = this.#startOf(index + 1) - 1;
    const oid = text.toString('latin1', start, start + OID_DIGITS);
    const peeledAt = end - OID_DIGITS;
    // A name has no line feed.
    const isPeeled = text[peeledAt - 2] === LINE_FEED && peeledAt > start + OID_DIGITS;
    const name = text.toString('latin1', start + OID_DIGITS + 1, isPeeled ? peeledAt - 2 : end);
    return isPeeled ? { name, oid, peeled: text.toString('latin1', peeledAt, end) } : { name, oid };
  }
}

/** Collects refs in any order; sorted names take the least time. */
export class RefListBuilder {
  #text: Buffer;
  #size: number;
  readonly #starts: number[] = [];
  #latest = '';
  #isSorted = true;

  /** @param bytes that the text may take. The system gives memory only to written bytes. */
  constructor(bytes = 0) {
    this.#text = Buffer.allocUnsafeSlow(bytes + FIRST_BYTES);
    this.#size = this.#text.write(HEADER, 'latin1');
  }

  /** @param name bytes as latin1. The ids: 40 hex digits. */
  add(name: string, oid: string, peeled?: string | undefined): void {
    const line = peeled === undefined ? `${oid} ${name}\n` : `${oid} ${name}\n^${peeled}\n`;
    if (this.#size + line.length > this.#text.length) {
      const larger = Buffer.allocUnsafeSlow(2 * (this.#size + line.length));
      this.#text.copy(larger, 0, 0, this.#size);
      this.#text = larger;
    }
    this.#isSorted &&= this.#latest < name;
    this.#latest = name;
    this.#starts.push(this.#size);
    this.#size += this.#text.write(line, this.#size, 'latin1');
  }

  /** Call it once. @returns `undefined` when two refs have one name. */
  build(): RefList | undefined {
    this.#starts.push(this.#size);
    const list = new RefList(this.#text.subarray(0, this.#size), new Uint32Array(this.#starts));
    return this.#isSorted ? list : list.sorted();
  }
}

/**
 * @param content is not copied if its names are in order.
 * @throws SnapshotError `MIRROR_CORRUPTED` for a line that git does not write, or a name that
 * comes twice.
 */
export function parsePackedRefs(content: Buffer): RefList {
  const starts: number[] = [];
  let latest = '';
  let isSorted = true;
  let isPeeled = true;
  let headEnd = 0;
  let end = 0;
  for (let at = 0; at < content.length; at = end) {
    end = content.indexOf(LINE_FEED, at) + 1;
    if (end === 0) throw damaged();
    const line = content.toString('latin1', at, end - 1);
    if (line.startsWith('#') && starts.length === 0) {
      headEnd = end;
    } else if (line.startsWith('^')) {
      if (isPeeled || !OID_PATTERN.test(line.slice(1))) throw damaged();
      isPeeled = true;
    } else {
      const name = line.slice(OID_DIGITS + 1);
      const isRef = OID_PATTERN.test(line.slice(0, OID_DIGITS)) && line[OID_DIGITS] === ' ';
      if (!isRef || !isValidRefName(name)) throw damaged();
      starts.push(at);
      isSorted &&= latest < name;
      latest = name;
      isPeeled = false;
    }
  }
  starts.push(content.length);
  const refs = new RefList(content, new Uint32Array(starts));
  if (isSorted && content.toString('latin1', 0, headEnd) === HEADER) return refs;
  const sorted = refs.sorted();
  if (sorted === undefined) throw damaged();
  return sorted;
}

function damaged(): SnapshotError {
  return new SnapshotError('MIRROR_CORRUPTED', 'packed-refs is damaged');
}
