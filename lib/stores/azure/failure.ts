import { RestError } from '@azure/storage-blob';
import { failuresOf, type Refusal } from '../bucket/failure.js';

export const { answerOf, storeFailure } = failuresOf(refusalOf);

export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof RestError)) return undefined;
  const { statusCode, code, response } = error;
  const retryAfter = response?.headers.get('retry-after');
  // Answers to HEAD have the code only here.
  return { status: statusCode, code: response?.headers.get('x-ms-error-code') ?? code, retryAfter };
}
