import { isIP } from 'node:net';
import type { RequestHandler } from 'express';

const NO_LOCAL_NAME =
  'This server is for this machine alone: use the name localhost, or start it with --bind.\n';

/** Whether an address or name to listen on is of this machine alone. */
export function isLoopback(address: string): boolean {
  return (
    address === 'localhost' || address === '::1' || (isIP(address) === 4 && /^127\./.test(address))
  );
}

/**
 * Refuses requests to other names than those of this machine. A page in the user's browser could
 * otherwise read private repositories: its author lets the name of the page resolve to 127.0.0.1.
 */
export const onlyLocalNames: RequestHandler = (req, res, next) => {
  const host = req.headers.host ?? '';
  const name = host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1');
  if (isLoopback(name.toLowerCase())) return next();
  res.status(403).type('text/plain').send(NO_LOCAL_NAME);
};
