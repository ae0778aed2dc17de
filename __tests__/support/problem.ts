import { SnapshotError, type SnapshotErrorCode } from '../../lib/index.js';

/**
 * Requests a URL and asserts that the answer is a problem (RFC 9457) that says the code, what to do,
 * and nothing more.
 *
 * @returns the seconds of `Retry-After`; 0: there is none, because a retry does not help.
 */
export async function expectProblem(
  url: string,
  code: SnapshotErrorCode,
  status = 503,
): Promise<number> {
  const response = await fetch(url);
  const body = await response.text();
  expect({ status: response.status, ...JSON.parse(body) }).toEqual({
    status,
    code,
    title: expect.stringMatching(/^[A-Z][A-Za-z ,]+\.$/),
    detail: expect.stringMatching(/^[A-Z][\w ,:.]+\.$/),
    type: `urn:problem-type:express-git-snapshot:${code.toLowerCase().replaceAll('_', '-')}`,
  });
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(response.headers.get('etag')).toBeNull();
  const retryAfter = Number(response.headers.get('retry-after'));
  const isPromised = status === 503 && new SnapshotError(code, '').isTransient;
  expect(retryAfter > 0).toBe(isPromised);
  return retryAfter;
}

/** Requests a URL and asserts that it is served, to the end. (A body that nobody reads keeps its connection open.) */
export async function expectServed(url: string): Promise<Buffer> {
  const response = await fetch(url);
  const body = Buffer.from(await response.arrayBuffer());
  expect(response.status).toBe(200);
  return body;
}
