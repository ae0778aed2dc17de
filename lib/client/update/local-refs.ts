import { isUtf8 } from 'node:buffer';
import { lstatSync, readdirSync, rmdirSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { shownName } from '../../archive/entry-path.js';
import { hasCode } from '../../errors.js';
import { isNoFile, unlessMissing } from '../../fs/errors.js';
import { OID_PATTERN } from '../../git/object.js';
import { parsePackedRefs, RefList } from '../../git/ref-list.js';
import { encodeHead, isValidRefName, type Ref } from '../../git/refs.js';
import { placesIn } from '../file-system.js';
import { changedMeanwhile, unsupported } from './errors.js';
import { refuseLocked, replaceLocked } from './lock-file.js';

/** What `HEAD` or another symbolic ref says. */
export type LocalHead = { readonly ref: string } | { readonly oid: string };

const MAX_SYMBOLIC_STEPS = 5;

/**
 * The refs of a checkout in git's own format: loose files before `packed-refs`. Writes under git's
 * locks, so that git may run at the same time. Names are bytes as latin1.
 */
export class LocalRefs {
  readonly #directory: string;
  #packed: RefList | undefined;

  /** @param directory `.git`. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** @throws SnapshotError `CHECKOUT_UNSUPPORTED` */
  async head(): Promise<LocalHead> {
    const head = await this.#loose('HEAD');
    if (head === undefined) throw unsupported('.git/HEAD is missing');
    return head;
  }

  /** The ref to which a symbolic ref points; `undefined` if it is none. */
  async targetOf(name: string): Promise<string | undefined> {
    const value = await this.#loose(name);
    return value !== undefined && 'ref' in value ? value.ref : undefined;
  }

  /** The id that a ref names; `undefined` if it does not exist. */
  async read(name: string): Promise<string | undefined> {
    let ref = name;
    for (let steps = 0; steps < MAX_SYMBOLIC_STEPS; steps++) {
      const value = (await this.#loose(ref)) ?? (await this.packed()).find(ref);
      if (value === undefined) return undefined;
      if ('oid' in value) return value.oid;
      ref = value.ref;
    }
    return undefined;
  }

  /** Ids of all refs. */
  async oids(): Promise<string[]> {
    const loose = this.#looseNames();
    const oids = await Promise.all(Array.from(loose, (name) => this.read(name)));
    for (const { name, oid } of await this.packed()) if (!loose.has(name)) oids.push(oid);
    return oids.filter((oid) => oid !== undefined);
  }

  async packed(): Promise<RefList> {
    this.#packed ??= await readPacked(join(this.#directory, 'packed-refs'));
    return this.#packed;
  }

  /**
   * Sets remote-tracking branches, and adds tags that are not there. Other refs that stand in the way
   * of a branch (`a` of `a/b`) were deleted upstream, and go.
   *
   * @throws SnapshotError `CHECKOUT_LOCKED`; `CHECKOUT_UNSUPPORTED` if another ref is in the way.
   */
  async track(fetched: Iterable<Ref>): Promise<void> {
    const loose = this.#looseNames();
    const packed = await this.packed();
    const updates = new Map<string, Ref>();
    for (const ref of fetched) {
      const known = loose.has(ref.name) ? await this.read(ref.name) : packed.find(ref.name)?.oid;
      if (known === ref.oid || (known !== undefined && ref.name.startsWith('refs/tags/'))) continue;
      updates.set(ref.name, ref);
    }
    if (updates.size === 0) return;
    const isStale = staleTracking(updates);
    const present = [...loose, ...Array.from(packed, ({ name }) => name)];
    const kept = present.filter((name) => !isStale(name));
    refuseBlocked(updates, new Set([...kept, ...updates.keys()]));
    // Loose refs count before packed ones, so these have their old values until they are replaced.
    await replaceLocked(join(this.#directory, 'packed-refs'), this.#directory, async () => {
      this.#packed = undefined;
      const before = [...(await this.packed())];
      const kept = before.filter(({ name }) => !updates.has(name) && !isStale(name));
      return RefList.of([...kept, ...updates.values()].sort(byName)).packed;
    });
    this.#packed = undefined;
    for (const name of loose) {
      const update = updates.get(name);
      if (update !== undefined) await this.write(name, update.oid, undefined);
      else if (isStale(name)) await rm(this.#fileOf(name), { force: true });
    }
  }

  /** @throws SnapshotError `CHECKOUT_UNSUPPORTED` if a ref of another name prevents this one. */
  async refuseBlockedName(name: string): Promise<void> {
    const packed = Array.from(await this.packed(), (ref) => ref.name);
    refuseBlocked(new Set([name]), new Set([...this.#looseNames(), ...packed, name]));
  }

  /**
   * Writes a loose ref.
   *
   * @param expected what the ref must still name; `undefined`: anything. Empty: it must not exist.
   * @throws SnapshotError `CHECKOUT_LOCKED`, also if the ref has changed since.
   */
  async write(name: string, oid: string, expected: string | undefined): Promise<void> {
    const file = this.#fileOf(name);
    removeEmptyDirectories(file);
    await replaceLocked(file, this.#directory, async () => {
      this.#packed = undefined;
      const now = (await this.read(name)) ?? '';
      if (expected !== undefined && now !== expected) throw changedMeanwhile(name);
      return Buffer.from(`${oid}\n`);
    });
  }

  /** @throws SnapshotError `CHECKOUT_LOCKED` while another program writes a ref. */
  async refuseLocked(name: string): Promise<void> {
    await refuseLocked(this.#fileOf(name));
  }

  /** Points HEAD at a branch or commit. @throws SnapshotError `CHECKOUT_LOCKED` */
  async writeHead(head: LocalHead): Promise<void> {
    const content =
      'ref' in head
        ? encodeHead({ kind: 'branch', ref: head.ref, oid: undefined })
        : encodeHead({ kind: 'detached', oid: head.oid });
    await replaceLocked(join(this.#directory, 'HEAD'), this.#directory, async () => content);
  }

  async #loose(name: string): Promise<LocalHead | undefined> {
    let text: string;
    if (!isUtf8(Buffer.from(name, 'latin1'))) return undefined;
    try {
      text = await readFile(this.#fileOf(name), 'latin1');
    } catch (error) {
      if (isNoFile(error)) return undefined;
      throw error;
    }
    const [, ref] = /^ref:\s*(.*?)\s*$/s.exec(text) ?? [];
    if (ref !== undefined && isValidRefName(ref)) return { ref };
    const oid = text.slice(0, 40);
    if (OID_PATTERN.test(oid)) return { oid };
    throw unsupported(`.git/${name} is damaged`);
  }

  /** Full names of the loose refs. */
  #looseNames(): ReadonlySet<string> {
    return new Set(namesBelow(this.#directory, 'refs'));
  }

  /** A name that is no UTF-8 can only be packed. */
  #fileOf(name: string): string {
    const bytes = Buffer.from(name, 'latin1');
    if (!isUtf8(bytes)) throw unsupported(`the name of ${JSON.stringify(name)} is no UTF-8`);
    return join(this.#directory, bytes.toString());
  }
}

function byName(a: Ref, b: Ref): number {
  return a.name < b.name ? -1 : 1;
}

/** Finds remote-tracking branches that stand in the way of updated ones. */
function staleTracking(updates: ReadonlyMap<string, Ref>): (name: string) => boolean {
  const above = new Set([...updates.keys()].flatMap(parentsOf));
  return (name) => {
    if (!name.startsWith('refs/remotes/origin/') || updates.has(name)) return false;
    return above.has(name) || parentsOf(name).some((parent) => updates.has(parent));
  };
}

/**
 * Refs are files and directories: there is no `a/b` where `a` is.
 *
 * @param added names that are in `all`, too.
 */
function refuseBlocked(added: { has(name: string): boolean }, all: ReadonlySet<string>): void {
  for (const name of all) {
    const parent = parentsOf(name).find((one) => all.has(one));
    if (parent === undefined || !(added.has(name) || added.has(parent))) continue;
    throw unsupported(`it can't have both ${shownName(parent)} and ${shownName(name)}`);
  }
}

function parentsOf(name: string): string[] {
  return Array.from(name.matchAll(/\//g), ({ index }) => name.slice(0, index));
}

async function readPacked(path: string): Promise<RefList> {
  return parsePackedRefs((await unlessMissing(readFile(path))) ?? Buffer.alloc(0));
}

function* namesBelow(directory: string, below: string): Generator<string> {
  const place = placesIn(directory);
  let entries: string[];
  try {
    entries = readdirSync(place(below), { encoding: 'latin1' });
  } catch (error) {
    if (isNoFile(error)) return;
    throw error;
  }
  for (const entry of entries) {
    const name = `${below}/${entry}`;
    if (lstatSync(place(name), { throwIfNoEntry: false })?.isDirectory()) {
      yield* namesBelow(directory, name);
    } else if (isValidRefName(name)) yield name;
  }
}

/** git leaves empty directories where refs were. */
function removeEmptyDirectories(path: string): void {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  try {
    for (const name of readdirSync(path)) removeEmptyDirectories(join(path, name));
    rmdirSync(path);
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY', 'ENOTDIR', 'EEXIST')) throw error;
  }
}
