import type { OutgoingHttpHeaders } from 'node:http';
import type { Request } from 'express';
import { unlessAborted } from '../async/abort.js';
import { hostFailure } from '../call-host.js';
import type { Authorize, AuthorizeContext } from '../config/authorize.js';
import type { SnapshotErrorCode } from '../error-codes.js';
import { SnapshotError } from '../errors.js';
import type { RepositoryId } from '../repository.js';

/** The problem that a denied client gets. */
export interface DenialProblem {
  readonly error: SnapshotError;
  readonly headers: OutgoingHttpHeaders;
}

/**
 * Calls `authorize` of the host app. Only `true` lets the client in: then there is no denial. The
 * problem depends on the denial alone, so it can't tell whether the repository exists.
 *
 * @throws SnapshotError `INTERNAL`: `authorize` failed; the signal's reason.
 */
export async function findDenial(
  authorize: Authorize,
  req: Request,
  repository: RepositoryId,
  context: AuthorizeContext,
): Promise<DenialProblem | undefined> {
  const { signal } = context;
  const call = async (): Promise<unknown> => authorize(req, repository, context);
  let decision: unknown;
  try {
    decision = await unlessAborted(call(), signal);
  } catch (thrown) {
    signal.throwIfAborted();
    return problemOf(thrown, () => hostFailure('authorize', thrown));
  }
  if (decision === true) return undefined;
  const isDenial = typeof decision === 'object' && decision !== null;
  return isDenial ? problemOf(decision, () => noDenial(decision)) : problem('FORBIDDEN');
}

function noDenial(cause: unknown): SnapshotError {
  const message = 'authorize answered an object without the status 401, 403 or 404';
  return new SnapshotError('INTERNAL', message, { cause });
}

/**
 * @param denial `Denial`, or what `authorize` threw.
 * @param failure what it is if it is no denial.
 */
function problemOf(denial: unknown, failure: () => SnapshotError): DenialProblem {
  switch (property(denial, 'status')) {
    case 401:
      return problem('UNAUTHORIZED', { 'WWW-Authenticate': challengesOf(denial) });
    case 403:
      return problem('FORBIDDEN');
    case 404:
      return problem('NOT_FOUND');
    default:
      throw failure();
  }
}

function problem(code: SnapshotErrorCode, headers: OutgoingHttpHeaders = {}): DenialProblem {
  return { error: new SnapshotError(code, 'authorize refused'), headers };
}

/** An `auth-scheme` and its parameters (RFC 9110, section 11.6.1), as a field may have them. */
const CHALLENGE = /^[!#$%&'*+.^_`|~\w-]+(?: [\t\x20-\x7e\x80-\xff]+)?$/;
const isChallenge = (value: unknown): value is string =>
  typeof value === 'string' && CHALLENGE.test(value);

/**
 * The values of `WWW-Authenticate`. RFC 9110, section 15.5.2, requires one in each 401: clients such
 * as git send credentials only for a scheme that a challenge names.
 *
 * @throws SnapshotError `INTERNAL`: there is none, or one is malformed.
 */
function challengesOf(denial: unknown): string[] {
  const headers = Object.entries(property(denial, 'headers') ?? {});
  const [, header] = headers.find(([name]) => name.toLowerCase() === 'www-authenticate') ?? [];
  const given = [property(denial, 'challenge') ?? header].flat();
  const challenges = given.filter(isChallenge);
  if (challenges.length > 0 && challenges.length === given.length) return challenges;
  const message = 'authorize answered 401 without a valid challenge for WWW-Authenticate';
  throw new SnapshotError('INTERNAL', message, { cause: denial });
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
