import { createServer, type IncomingHttpHeaders } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { listen } from '../support/listen.js';
import type { Cleanup } from '../support/temporary-directory.js';

export interface Request {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Uint8Array;
}

/** Makes a right answer wrong. */
export type Fault = (answer: Answer) => void;

export interface FleetServer {
  readonly url: string;
  /** All so far. */
  readonly requests: readonly Request[];
  /** To be set. */
  respond: (request: Request) => Answer;
  /** By the number of the request, from 0 on. */
  readonly faults: Map<number, Fault>;
}

/** A server that answers as a test says, until the cleanup. */
export async function startFleetServer(defer: Cleanup['defer']): Promise<FleetServer> {
  const requests: Request[] = [];
  const server = createServer(async (request, response) => {
    const { method = '', url: path = '', headers } = request;
    const asked = { method, path, headers, body: (await buffer(request)).toString() };
    const answer = fleet.respond(asked);
    fleet.faults.get(requests.push(asked) - 1)?.(answer);
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  const fleet: FleetServer = {
    url: await listen(server, defer),
    requests,
    respond: () => ({ status: 500, headers: {}, body: Buffer.alloc(0) }),
    faults: new Map(),
  };
  return fleet;
}

export function status(value: number): Fault {
  return (answer) => {
    answer.status = value;
  };
}

export function body(bytes: Uint8Array): Fault {
  return (answer) => {
    answer.body = bytes;
  };
}

export function set(name: string, value: string): Fault {
  return ({ headers }) => {
    headers[name] = value;
  };
}

export function drop(name: string): Fault {
  return ({ headers }) => {
    delete headers[name];
  };
}

/** Moves both ends of `Content-Range`, and of nothing else. */
export function shift(start: number, end: number): Fault {
  return ({ headers }) => {
    headers['Content-Range'] = String(headers['Content-Range']).replace(
      /(\d+)-(\d+)/,
      (_, from, to) => `${Number(from) + start}-${Number(to) + end}`,
    );
  };
}

/** Takes the first byte away. */
export function cut(answer: Answer): void {
  answer.body = answer.body.subarray(1);
}

export function problem(
  status: number,
  code: string | undefined,
  more: Record<string, string> = {},
) {
  return (answer: Answer): void => {
    answer.status = status;
    answer.headers = { 'Content-Type': 'application/problem+json', ...more };
    answer.body = Buffer.from(JSON.stringify({ type: 'about:blank', title: 'x', status, code }));
  };
}
