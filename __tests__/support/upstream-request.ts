import type { IncomingMessage } from 'node:http';
import { gunzipSync, constants as zlib } from 'node:zlib';

/** What a request of git's protocol is for. `ls-refs` is the protocol 2 way to list refs. */
export type Service = 'info-refs' | 'ls-refs' | 'upload-pack';

/** One request, kept up to date while it is answered. */
export interface UpstreamRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** Path of the repository without a leading `/` and without `.git`. */
  readonly repository: string;
  /** What follows the repository in the path: `/info/refs`, `/git-upload-pack`. */
  readonly resource: string;
  /** Without the question mark. */
  readonly query: string;
  /** `undefined` for everything else (files of the dumb protocol, pushes). */
  readonly service: Service | undefined;
  /** Version of git's protocol that the client asked for. */
  readonly protocol: number;
  readonly userAgent: string | undefined;
  /** An `Authorization` header was sent. */
  readonly authorization: boolean;
  /** 0 until it is known. */
  status: number;
  /** Bytes of the body that went into the socket. */
  bytesOut: number;
  /** The whole response was sent. */
  finished: boolean;
  /** It is over, whichever way. */
  closed: boolean;
}

export async function describeRequest(req: IncomingMessage): Promise<UpstreamRequest> {
  const { method = '', url = '', headers } = req;
  const [path = '', query = ''] = url.split('?');
  const [, repository = '', resource = ''] =
    /^\/(.*?)(?:\.git)?(\/info\/refs|\/git-upload-pack|\/git-receive-pack|\/HEAD|\/objects\/.*|)$/.exec(
      decodeURIComponent(path),
    ) ?? [];
  const protocol = /version=(\d)/.exec(String(headers['git-protocol']))?.[1] ?? '0';
  let service: Service | undefined;
  if (resource === '/info/refs' && query.includes('service=git-upload-pack')) service = 'info-refs';
  if (resource === '/git-upload-pack') {
    const listsRefs = protocol === '2' && (await beginsWith(req, '0014command=ls-refs'));
    service = listsRefs ? 'ls-refs' : 'upload-pack';
  }
  return {
    method,
    path: url,
    repository,
    resource,
    query,
    service,
    protocol: Number(protocol),
    userAgent: headers['user-agent'],
    authorization: headers.authorization !== undefined,
    status: 0,
    bytesOut: 0,
    finished: false,
    closed: false,
  };
}

/** Looks at the beginning of a request's body and leaves it where it is. */
async function beginsWith(req: IncomingMessage, text: string): Promise<boolean> {
  const chunk = await new Promise<Buffer>((resolve) => {
    const look = () => resolve(req.read() ?? Buffer.alloc(0));
    req.once('readable', look).once('close', look);
  });
  if (chunk.length > 0) req.unshift(chunk);
  const gzip = req.headers['content-encoding'] === 'gzip';
  const body = gzip ? gunzipSync(chunk, { finishFlush: zlib.Z_SYNC_FLUSH }) : chunk;
  return body.toString('latin1', 0, text.length) === text;
}
