import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Answer, answerFor, ConnectionCut, type Fault, filterFor } from './faults.js';
import { Gate } from './gate.js';
import { runHttpBackend } from './http-backend.js';
import { rewritePack } from './pack-stream.js';
import { describeRequest, type Service, type UpstreamRequest } from './upstream-request.js';

export interface UpstreamEvents {
  'info-refs-started': [UpstreamRequest];
  'ls-refs-started': [UpstreamRequest];
  'upload-pack-started': [UpstreamRequest];
  /** A piece of a body went into the socket. */
  progress: [UpstreamRequest];
  closed: [UpstreamRequest];
  /** Emitted after each of the other events. */
  change: [];
}

/**
 * Serves the bare repositories below `root` by real git over smart HTTP, on a free port of
 * 127.0.0.1, with and without `.git` in the URL.
 */
export async function startUpstream({ root }: { root: string }): Promise<Upstream> {
  const server = createServer();
  const upstream = new Upstream(root, server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return upstream;
}

export class Upstream extends EventEmitter<UpstreamEvents> {
  /** In the order in which they came. */
  readonly requests: UpstreamRequest[] = [];
  readonly #root: string;
  readonly #server: Server;
  readonly #faults = new Map<string, Fault[]>();
  readonly #gates = new Map<string, Gate[]>();
  readonly #refGates = new Map<string, Gate[]>();
  readonly #running = new Set<Promise<void>>();
  readonly #stopped = new AbortController();
  readonly #failures: unknown[] = [];

  constructor(root: string, server: Server) {
    super();
    this.setMaxListeners(0);
    this.#root = root;
    this.#server = server;
    server.on('request', (req, res) => {
      const handled = this.#handle(req, res).catch((error) => {
        this.#failures.push(error);
        res.destroy();
      });
      this.#track(handled);
    });
  }

  /** Without a slash at its end. */
  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the upstream is closed');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Requests for the advertisement of refs so far. */
  infoRefs(repository: string): number {
    return this.#count(repository, 'info-refs');
  }

  /** Requests for a pack so far; by protocol 0 each round of a negotiation is one. */
  uploadPacks(repository: string): number {
    return this.#count(repository, 'upload-pack');
  }

  /**
   * Breaks a repository (its path without `.git`) for all later requests. Of several faults, the first one that
   * has an answer gives it. Changes of the pack are all made, in their order.
   *
   * @returns takes this fault back.
   */
  fault(repository: string, fault: Fault): () => void {
    return attach(this.#faults, repository, fault);
  }

  /** Takes back all faults and opens all gates of a repository. */
  heal(repository: string): void {
    this.#faults.delete(repository);
    for (const gates of [this.#gates, this.#refGates]) {
      for (const gate of gates.get(repository) ?? []) gate.release();
      gates.delete(repository);
    }
  }

  /** Holds the packs of a repository back after `offset` bytes until the gate is released. */
  gate(repository: string, offset = 0): Gate {
    const gate = new Gate(offset);
    attach(this.#gates, repository, gate);
    return gate;
  }

  /** Holds the refs of a repository back, as they are when they are asked for, until the gate is released. */
  gateRefs(repository: string): Gate {
    const gate = new Gate(0);
    attach(this.#refGates, repository, gate);
    return gate;
  }

  /** Resolves when the predicate holds; it is asked now and after each event. */
  async waitFor(predicate: (upstream: this) => boolean): Promise<void> {
    while (!predicate(this)) {
      this.#stopped.signal.throwIfAborted();
      await once(this, 'change', { signal: this.#stopped.signal });
    }
  }

  /** Ends all connections and git processes. Rejects if the upstream itself failed. */
  async close(): Promise<void> {
    this.#stopped.abort(new Error('the upstream was closed'));
    if (this.#server.listening) {
      this.#server.close();
      this.#server.closeAllConnections();
    }
    while (this.#running.size > 0) await Promise.all(this.#running);
    const [failure] = this.#failures.splice(0);
    if (failure !== undefined) throw new Error('the test upstream failed', { cause: failure });
  }

  #count(repository: string, service: Service): number {
    return this.requests.filter((r) => r.repository === repository && r.service === service).length;
  }

  #track(work: Promise<void>): void {
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }

  #announce(event: Exclude<keyof UpstreamEvents, 'change'>, request: UpstreamRequest): void {
    this.emit(event, request);
    this.emit('change');
  }

  async #handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const gone = new AbortController();
    const closed = new Promise<void>((resolve) => {
      res.once('close', () => {
        gone.abort();
        resolve();
      });
    });
    const request = await describeRequest(req);
    this.requests.push(request);
    if (request.service) this.#announce(`${request.service}-started`, request);
    try {
      const answer = await this.#answer(req, request, gone.signal);
      request.status = answer.status;
      await this.#send(res, answer, request);
    } catch (error) {
      if (error instanceof ConnectionCut) res.destroy();
      else if (!(error instanceof ClientGone) && !gone.signal.aborted) throw error;
    } finally {
      req.resume();
    }
    await closed;
    request.finished = res.writableFinished;
    request.closed = true;
    this.#announce('closed', request);
  }

  async #answer(
    req: IncomingMessage,
    request: UpstreamRequest,
    signal: AbortSignal,
  ): Promise<Answer> {
    const faults = this.#faults.get(request.repository) ?? [];
    for (const fault of faults) {
      const answer = answerFor(fault, request, req.headers.authorization, signal);
      if (answer) return answer;
    }
    const { repository, service } = request;
    const gates = service === 'info-refs' ? this.#refGates : this.#gates;
    const filters = [
      ...faults.flatMap((fault) => filterFor(fault, service, signal) ?? []),
      ...(gates.get(repository) ?? []).map((gate) => gate.filter(signal)),
    ];
    if (faults.some(({ kind }) => kind === 'protocol-0')) delete req.headers['git-protocol'];
    const response = await runHttpBackend(req, this.#root, request, signal);
    this.#track(response.ended);
    if (service === 'info-refs') {
      let body: AsyncIterable<Buffer> = whole(response.body);
      for (const filter of filters) body = filter(body);
      return { ...response, body };
    }
    if (service !== 'upload-pack') return response;
    return { ...response, body: filters.reduce(rewritePack, response.body) };
  }

  async #send(res: ServerResponse, answer: Answer, request: UpstreamRequest): Promise<void> {
    res.writeHead(answer.status, answer.headers);
    if (answer.sendHeaders !== false) res.flushHeaders();
    for await (const chunk of answer.body) {
      await write(res, chunk);
      request.bytesOut += chunk.length;
      this.#announce('progress', request);
    }
    res.end();
  }
}

/** Collects the whole output, so that later changes do not show. */
async function* whole(body: Answer['body']): AsyncGenerator<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  yield Buffer.concat(chunks);
}

class ClientGone extends Error {}

function attach<T>(map: Map<string, T[]>, key: string, item: T): () => void {
  const items = map.get(key) ?? [];
  map.set(key, [...items, item]);
  return () => {
    map.set(
      key,
      (map.get(key) ?? []).filter((other) => other !== item),
    );
  };
}

/** Waits until the bytes are with the operating system, so that a cut comes after them. */
function write(res: ServerResponse, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const cut = () => reject(new ClientGone());
    if (res.destroyed) return cut();
    res.once('close', cut);
    res.write(chunk, (error) => {
      res.off('close', cut);
      if (error) cut();
      else resolve();
    });
  });
}
