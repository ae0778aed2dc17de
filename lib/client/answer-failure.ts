import type { IncomingMessage } from 'node:http';
import { SnapshotError } from '../errors.js';
import { parseRetryAfter } from '../retry-after.js';

/** More of an error's body is not read. */
const MAX_PROBLEM_BYTES = 64 * 1024;

/**
 * Says why a server does not send the snapshot: its status, the `code` of a problem+json body (RFC
 * 9457) and `Retry-After`. Leaves the rest of the body unread.
 */
export async function answerFailure(
  answer: IncomingMessage,
  where: string,
): Promise<SnapshotError> {
  const { statusCode, headers } = answer;
  const isProblem = /^application\/problem\+json\b/i.test(String(headers['content-type']));
  // When even this breaks off, the status alone has to do.
  const problem = isProblem ? await readStart(answer).catch(() => '') : '';
  const code = problemCode(problem);
  const detail = code === undefined ? '' : ` (${code})`;
  const seconds = parseRetryAfter(headers['retry-after']);
  return new SnapshotError(
    'DOWNLOAD_FAILED',
    `${where} answered ${statusCode}${detail}`,
    seconds === undefined ? {} : { retryAfter: seconds },
  );
}

async function readStart(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_PROBLEM_BYTES) return '';
  }
  return Buffer.concat(chunks).toString();
}

function problemCode(text: string): string | undefined {
  let problem: unknown;
  try {
    problem = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof problem !== 'object' || problem === null || !('code' in problem)) return undefined;
  const { code } = problem;
  return typeof code === 'string' && /^[\w-]{1,64}$/.test(code) ? code : undefined;
}
