import { once, setMaxListeners } from 'node:events';
import { createServer } from 'node:http';
import { start } from './programs.js';

const HEAD_END = '\r\n\r\n';

/**
 * Serves the bare repositories below a directory over smart HTTP by git's own server program,
 * git-http-backend(1), as a git host would.
 */
export async function startGitHost(root) {
  const closing = new AbortController();
  setMaxListeners(0, closing.signal); // each request listens
  const server = createServer((req, res) => serve(req, res, root, closing.signal));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    async close() {
      closing.abort();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function serve(req, res, root, signal) {
  const [path, query = ''] = req.url.split('?', 2);
  try {
    const child = start('git', ['http-backend'], {
      signal,
      stdio: ['pipe', 'pipe', 'ignore'],
      env: {
        PATH: process.env.PATH,
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: '1',
        GIT_PROTOCOL: req.headers['git-protocol'] ?? '',
        PATH_INFO: decodeURIComponent(path),
        QUERY_STRING: query,
        REQUEST_METHOD: req.method,
        CONTENT_TYPE: req.headers['content-type'] ?? '',
        CONTENT_LENGTH: req.headers['content-length'] ?? '',
        HTTP_CONTENT_ENCODING: req.headers['content-encoding'] ?? '',
        REMOTE_ADDR: '127.0.0.1',
      },
    });
    child.stdin.on('error', () => {}); // git may answer without reading the request
    req.pipe(child.stdin);
    await answer(child.stdout, res);
  } catch {
    res.destroy();
  }
}

/** Turns a CGI response (RFC 3875) into an HTTP one. */
async function answer(stdout, res) {
  let head = '';
  for await (const chunk of stdout) {
    if (res.headersSent) {
      if (!res.write(chunk)) await once(res, 'drain');
      continue;
    }
    head += chunk.toString('latin1');
    const end = head.indexOf(HEAD_END);
    if (end < 0) continue;
    const fields = head
      .slice(0, end)
      .split('\r\n')
      .map((line) => line.split(/:\s*/, 2));
    const { Status: status = '200', ...headers } = Object.fromEntries(fields);
    res.writeHead(Number.parseInt(status, 10), headers);
    res.write(Buffer.from(head.slice(end + HEAD_END.length), 'latin1'));
  }
  res.end();
}
