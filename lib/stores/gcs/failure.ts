import type { IncomingMessage } from 'node:http';
import { failuresOf, type Refusal } from '../bucket/failure.js';
import { isRecord } from '../stored-json.js';

export const { answerOf, storeFailure } = failuresOf(refusalOf);

/** The SDK throws errors of several classes, with the status in `status` or `code`. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!isRecord(error)) return undefined;
  const response = isRecord(error.response) ? error.response : {};
  const { status, statusCode, headers } = response;
  const numbers = [status, statusCode, error.status, error.code].map(Number);
  // The SDK's own error of a bucket that is missing has no code but this text.
  const hasNoBucket = /bucket does not exist/i.test(String(error.message));
  return {
    status: numbers.find((number) => number >= 100 && number < 600),
    code: hasNoBucket ? 'NoSuchBucket' : undefined,
    retryAfter: headerOf(headers, 'retry-after'),
  };
}

export function headerOf(headers: unknown, name: string): string | undefined {
  const value = isRecord(headers) ? headers[name] : undefined;
  return typeof value === 'string' ? value : undefined;
}

/** An answer that refuses a request, in the form of the SDK's errors. */
export class Refused extends Error {
  readonly response: { readonly status: number | undefined; readonly headers: object };

  constructor({ statusCode, headers }: IncomingMessage, text: string) {
    super(text);
    this.response = { status: statusCode, headers };
  }

  /** Reads the beginning of the answer's text, which names the reason. */
  static async of(answer: IncomingMessage): Promise<Refused> {
    for await (const chunk of answer) return new Refused(answer, String(chunk));
    return new Refused(answer, answer.statusMessage ?? '');
  }
}
