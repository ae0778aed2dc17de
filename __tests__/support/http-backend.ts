import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { startProgram } from './program-start.js';
import { cleanEnvironment } from './run.js';
import type { UpstreamRequest } from './upstream-request.js';

export interface CgiResponse {
  status: number;
  headers: Record<string, string>;
  body: AsyncIterable<Buffer>;
  /** Resolves when git has ended. */
  ended: Promise<void>;
}

/** Where the program is, if jest has looked: by way of `git`, each request would start one process more. */
const { TEST_HTTP_BACKEND: HTTP_BACKEND } = process.env;

/**
 * Answers a request by git's own server program (git-http-backend, by CGI, RFC 3875).
 *
 * @param root directory above the repositories.
 * @param signal kills git and everything that it started.
 */
export async function runHttpBackend(
  req: IncomingMessage,
  root: string,
  request: UpstreamRequest,
  signal: AbortSignal,
): Promise<CgiResponse> {
  const { headers } = req;
  const git = startProgram({
    command: HTTP_BACKEND ?? 'git',
    args: HTTP_BACKEND === undefined ? ['http-backend'] : [],
    env: {
      ...cleanEnvironment(),
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_PROJECT_ROOT: root,
      GIT_PROTOCOL: single(headers['git-protocol']),
      PATH_INFO: `/${request.repository}${request.resource}`,
      QUERY_STRING: request.query,
      REQUEST_METHOD: req.method,
      CONTENT_TYPE: headers['content-type'],
      CONTENT_LENGTH: headers['content-length'],
      HTTP_CONTENT_ENCODING: headers['content-encoding'],
      REMOTE_ADDR: '127.0.0.1',
    },
  });
  const kill = () => {
    git.stdout.destroy();
    git.kill();
  };
  signal.addEventListener('abort', kill, { once: true });
  if (signal.aborted) kill();
  // git may answer (404) and end without reading the request.
  git.stdin.on('error', () => {});
  git.stderr.resume();
  req.pipe(git.stdin);
  const ended = git.closed.then(
    () => {},
    () => {},
  );
  return { ...(await readCgiResponse(git.stdout)), ended };
}

async function readCgiResponse(stdout: Readable): Promise<Omit<CgiResponse, 'ended'>> {
  const chunks: AsyncIterator<Buffer, undefined> = stdout[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  let end = -1;
  while (end < 0) {
    const next = await chunks.next();
    if (next.done) return { status: 500, headers: {}, body: nothing() };
    head = Buffer.concat([head, next.value]);
    end = head.indexOf('\r\n\r\n');
  }
  const lines = head.toString('latin1', 0, end).split('\r\n');
  const fields = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  const { status = '200', ...headers }: Record<string, string> = Object.fromEntries(fields);
  const first = head.subarray(end + 4);
  return { status: Number.parseInt(status, 10), headers, body: resume(first, chunks) };
}

async function* resume(
  first: Buffer,
  chunks: AsyncIterator<Buffer, undefined>,
): AsyncGenerator<Buffer> {
  if (first.length > 0) yield first;
  yield* { [Symbol.asyncIterator]: () => chunks };
}

async function* nothing(): AsyncGenerator<Buffer> {}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(':') : value;
}
