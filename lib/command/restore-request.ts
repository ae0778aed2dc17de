import { type Surroundings, variable } from './surroundings.js';
import { UsageError } from './syntax.js';

const ARTIFACT = '/snapshot.tar.zst';

/**
 * The URL of the snapshot for the URL of a repository below the mount, or of its snapshot.
 *
 * @param query replaces parameters of the URL.
 * @throws UsageError
 */
export function snapshotUrl(
  text: string,
  query: Readonly<Record<string, string | undefined>>,
): URL {
  if (!URL.canParse(text)) throw new UsageError('the URL is malformed');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new UsageError('the URL must be http or https');
  }
  if (url.username !== '' || url.password !== '') {
    throw new UsageError('the URL must have no credentials: set GIT_SNAPSHOT_TOKEN');
  }
  if (!url.pathname.endsWith(ARTIFACT)) {
    url.pathname = url.pathname.replace(/(?:\.git)?\/*$/, '') + ARTIFACT;
  }
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

/**
 * The headers for the server: those of `GIT_SNAPSHOT_HEADER`, one `Name: value` a line, and the
 * token.
 *
 * @throws UsageError
 */
export function requestHeaders(
  surroundings: Surroundings,
  givenToken: string | undefined,
): Record<string, string> {
  const headers: Record<string, string> = {};
  const token = givenToken || variable(surroundings, 'GIT_SNAPSHOT_TOKEN');
  if (token !== undefined) headers.authorization = `Bearer ${token.trim()}`;
  const lines = (variable(surroundings, 'GIT_SNAPSHOT_HEADER') ?? '').split(/\r?\n/);
  for (const line of lines.filter((text) => text.trim() !== '')) {
    const [, name, value] = /^\s*([^\s:]+):\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      throw new UsageError('GIT_SNAPSHOT_HEADER must be "Name: value"');
    }
    const key = name.toLowerCase();
    if (Object.hasOwn(headers, key)) {
      throw new UsageError(`the header ${key} is given twice, by a token or GIT_SNAPSHOT_HEADER`);
    }
    headers[key] = value;
  }
  return headers;
}
