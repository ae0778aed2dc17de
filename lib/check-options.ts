import { z } from 'zod';
import { MAX_DELAY } from './async/deadline.js';
import { SnapshotError } from './errors.js';

// Schemas and the check that routers, stores, locks and webhooks share for their options.

export const bytes = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
/** Milliseconds, at least 0. */
export const duration = z.number().int().min(0).max(MAX_DELAY);
/** Milliseconds, at least 1. */
export const milliseconds = duration.min(1);

/** Milliseconds for which no timer runs, at least 0. */
export const durationOrInfinity = z.custom<number>(
  (value) => z.int().min(0).safeParse(value).success || value === Number.POSITIVE_INFINITY,
  'must be a whole number of milliseconds, 0 or more, or Infinity',
);

/** An object of the host app that has these methods. */
export const methods = <T>(names: string[], what: string) =>
  z.custom<T>(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      names.every((name) => name in value && typeof Reflect.get(value, name) === 'function'),
    `must be ${what} with the ${names.length === 1 ? 'method' : 'methods'} ${names.join(', ')}`,
  );
export const callback = <T>() =>
  z.custom<T>((value) => typeof value === 'function', 'must be a function');

/**
 * Checks options and fills in the defaults.
 *
 * @param of the owner of the options, for the error message.
 * @throws SnapshotError `INVALID_OPTIONS`, whose message names each option that is wrong.
 */
export function checkOptions<T>(schema: z.ZodType<T>, options: unknown, of?: string): T {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  const message = `invalid options${of === undefined ? '' : ` of ${of}`}: ${describe(result.error)}`;
  throw new SnapshotError('INVALID_OPTIONS', message, { cause: result.error });
}

function describe(error: z.ZodError): string {
  const lines = error.issues.flatMap(specific).map(({ path, message }) => {
    const name = path.map(String).join('.');
    return name === '' ? message : `${name}: ${message}`;
  });
  return lines.join('; ');
}

type Issue = z.core.$ZodIssue;

/** For an option that may take several forms: the issues of the form that the host app meant. */
function specific(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const isOtherForm = (issues: readonly Issue[]) =>
    issues.some(({ code, path }) => code === 'invalid_type' && path.length === 0);
  const meant = issue.errors.find((issues) => !isOtherForm(issues));
  if (meant === undefined) return [issue];
  return meant
    .flatMap(specific)
    .map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
}
