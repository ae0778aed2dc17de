import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { HOST } from '../support/host-app.js';
import { Deck, type SeededRandom } from '../support/random.js';
import type { ReceivedBodies } from './received-bodies.js';

/** The statuses that the wire contract has for each kind of request, as long as the upstream answers. */
const ALLOWED = {
  default: [200],
  variant: [200, 404],
  range: [200, 206, 412, 416],
  head: [200, 404],
  'if-none-match': [200, 304],
  'if-match': [200, 412],
  bundle: [200, 204, 404],
  'ensure-refs': [200],
} as const;

type Kind = keyof typeof ALLOWED;

interface Whole {
  readonly status: number;
  readonly etag: string;
  readonly commit: string | undefined;
  readonly bytes: Buffer;
}

/** A default snapshot that was received whole. */
export interface ReceivedDefault {
  readonly path: string;
  readonly commit: string;
  readonly askedAt: number;
  /** Else it was built. */
  readonly isStored: boolean;
}

export type OnDefault = (received: ReceivedDefault) => void;

/**
 * Requests everything that an app serves, at random. An answer that is not in the contract is an error, and so
 * is a connection that breaks.
 */
export class StressClient {
  /** How often each kind of request was answered by each status. */
  readonly answers: Record<string, number> = {};
  readonly #url: () => string;
  readonly #received: ReceivedBodies;
  readonly #random: SeededRandom;
  readonly #onDefault: OnDefault;
  readonly #requests: Deck<(path: string, refs: readonly string[]) => Promise<void>>;
  /** By path: tags and commits of default snapshots, in the order in which they came. */
  readonly #tags = new Map<string, string[]>();
  readonly #commits = new Map<string, string[]>();

  constructor(
    url: () => string,
    received: ReceivedBodies,
    random: SeededRandom,
    onDefault: OnDefault = () => {},
  ) {
    this.#url = url;
    this.#received = received;
    this.#random = random;
    this.#onDefault = onDefault;
    this.#requests = new Deck(random, [
      [(path) => this.#whole('default', path, ''), 15],
      [(path, refs) => this.#whole('variant', path, this.#query(path, refs)), 10],
      [(path) => this.#ranges(path, random.below(4) === 0), 6],
      [(path) => this.#head(path), 3],
      [(path) => this.#conditional(path), 4],
      [(path) => this.#bundle(path), 5],
      [(path, refs) => this.#ensureRefs(path, refs), 3],
      [(path) => this.#hangUp(path), 4],
    ]);
  }

  /** Requests that were answered. */
  get count(): number {
    return Object.values(this.answers).reduce((sum, count) => sum + count, 0);
  }

  /** One request, or those of one download in ranges. @param refs that there may be. */
  async ask(path: string, refs: readonly string[]): Promise<void> {
    await this.#requests.deal()(path, refs);
  }

  #query(path: string, refs: readonly string[]): string {
    const random = this.#random;
    const shape = random.below(3);
    const commits = this.#commits.get(path) ?? [];
    const byCommit = random.below(4) === 0 && commits.length > 0;
    const ref = byCommit ? random.pick(commits) : random.pick(refs);
    const depth = `depth=${1 + random.below(4)}`;
    if (shape === 0) return `?${depth}`;
    return shape === 1 ? `?ref=${ref}` : `?ref=${ref}&${depth}`;
  }

  async #whole(kind: Kind, path: string, query: string, headers = {}): Promise<void> {
    const askedAt = performance.now();
    const answer = await this.#send(kind, 'GET', `${path}/snapshot.tar.zst${query}`, headers);
    const { status, etag, commit, bytes } = await readWhole(answer);
    if (status !== 200) return;
    const isDefault = query === '';
    await this.#received.addSnapshot(etag, bytes, isDefault ? commit : undefined);
    if (!isDefault || commit === undefined) return;
    append(this.#tags, path, etag);
    append(this.#commits, path, commit);
    const isStored = answer.headers['content-length'] !== undefined;
    this.#onDefault({ path, commit, askedAt, isStored });
  }

  async #ranges(path: string, isOutside: boolean): Promise<void> {
    const file = `${path}/snapshot.tar.zst`;
    const chunk = 20_000 + this.#random.below(150_000);
    const range = isOutside ? 'bytes=999999999-' : `bytes=0-${chunk - 1}`;
    const first = await readWhole(await this.#send('range', 'GET', file, { range }));
    const { etag, commit } = first;
    if (first.status === 200) return await this.#received.addSnapshot(etag, first.bytes, commit);
    if (first.status !== 206) return;
    const parts = [first.bytes];
    let at = first.bytes.length;
    for (let total = chunk + 1; at < total; ) {
      const headers = { range: `bytes=${at}-${at + chunk - 1}`, 'if-match': etag };
      const answer = await this.#send('range', 'GET', file, headers);
      const part = await readWhole(answer);
      // 416: that was all of it. 412: replaced, or evicted.
      if (part.status === 416) break;
      if (part.status === 412) return;
      if (part.status !== 206 || part.etag !== etag)
        throw new Error('a range is of another entity');
      total = Number(/\/(\d+)$/.exec(answer.headers['content-range'] ?? '')?.[1]);
      parts.push(part.bytes);
      at += part.bytes.length;
    }
    await this.#received.addSnapshot(etag, Buffer.concat(parts), commit);
  }

  async #head(path: string): Promise<void> {
    const answer = await this.#send('head', 'HEAD', `${path}/snapshot.tar.zst`);
    if ((await buffer(answer)).length > 0) throw new Error('HEAD has a body');
  }

  async #conditional(path: string): Promise<void> {
    const tags = this.#tags.get(path) ?? [];
    const tag = tags.length === 0 ? '"other"' : this.#random.pick(tags.slice(-3));
    if (this.#random.below(2) === 0) {
      await this.#whole('if-none-match', path, '', { 'if-none-match': tag });
    } else {
      await this.#whole('if-match', path, '', { 'if-match': tag });
    }
  }

  async #bundle(path: string): Promise<void> {
    const commits = this.#commits.get(path) ?? [];
    const isMadeUp = commits.length === 0 || this.#random.below(10) === 0;
    const base = isMadeUp ? 'ab'.repeat(20) : this.#random.pick(commits.slice(-6));
    const answer = await this.#send('bundle', 'GET', `${path}/snapshot.bundle?base=${base}`);
    const { status, etag, bytes } = await readWhole(answer);
    if (status === 200) await this.#received.addBundle(etag, bytes, base);
  }

  async #ensureRefs(path: string, refs: readonly string[]): Promise<void> {
    const ref = this.#random.pick(refs);
    const known = this.#commits.get(path) ?? [];
    const commits = known.length === 0 ? [] : [this.#random.pick(known)];
    const body = JSON.stringify({ refs: { [`refs/heads/${ref}`]: '' }, commits });
    const answer = await this.#send('ensure-refs', 'POST', `${path}/ensure-refs`, {}, body);
    JSON.parse((await buffer(answer)).toString());
  }

  /** Before the answer, or after some of it. */
  async #hangUp(path: string): Promise<void> {
    const req = request(`${this.#url()}/git/${HOST}/${path}/snapshot.tar.zst`, { agent: false });
    req.on('error', () => {});
    req.end();
    if (this.#random.below(2) === 0) {
      await once(req, 'socket');
    } else {
      const [answer]: IncomingMessage[] = await once(req, 'response');
      answer?.on('error', () => {});
      if (answer !== undefined) await once(answer, 'readable');
    }
    req.destroy();
  }

  async #send(
    kind: Kind,
    method: string,
    path: string,
    headers = {},
    body = '',
  ): Promise<IncomingMessage> {
    const url = `${this.#url()}/git/${HOST}/${path}`;
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      request(url, { method, headers, agent: false }, resolve).on('error', reject).end(body);
    }).catch((cause: unknown) => {
      throw new Error(`${kind} ${path} got no answer`, { cause });
    });
    const status = answer.statusCode ?? 0;
    this.answers[`${kind} ${status}`] = (this.answers[`${kind} ${status}`] ?? 0) + 1;
    if (ALLOWED[kind].some((allowed) => allowed === status)) return answer;
    const problem: unknown = JSON.parse((await buffer(answer)).toString());
    throw new Error(`${kind} ${status}: ${JSON.stringify(problem)}`);
  }
}

/** @throws when the connection breaks. */
async function readWhole(answer: IncomingMessage): Promise<Whole> {
  const { statusCode: status = 0, headers } = answer;
  const bytes = await buffer(answer).catch((cause: unknown) => {
    throw new Error(`an answer of ${status} broke`, { cause });
  });
  const commit = headers['x-cachew-snapshot-commit'];
  return {
    status,
    etag: headers.etag ?? '',
    commit: Array.isArray(commit) ? commit[0] : commit,
    bytes,
  };
}

function append(map: Map<string, string[]>, key: string, value: string): void {
  const values = map.get(key) ?? [];
  if (values.at(-1) !== value) values.push(value);
  map.set(key, values);
}
