import type { RepositoryId } from '../repository/identity.js';

/**
 * Where clients find the bundle that fast-forwards a snapshot of `base`. It begins with `/git/`
 * wherever the router is mounted: cachew's clients join it to the base URL of their configuration.
 */
export function bundleUrl({ host, path }: RepositoryId, base: string): string {
  const segments = [host, ...path.split('/')].map(encodeSegment);
  return `/git/${segments.join('/')}/snapshot.bundle?base=${base}`;
}

/** A colon needs no escape in a segment (RFC 3986, section 3.3), and hosts have one before a port. */
function encodeSegment(text: string): string {
  return encodeURIComponent(text).replaceAll('%3A', ':');
}
