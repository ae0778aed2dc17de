import { S3ServiceException } from '@aws-sdk/client-s3';
import { failuresOf } from '../bucket/failure.js';

export const { answerOf, storeFailure } = failuresOf((error) =>
  error instanceof S3ServiceException
    ? {
        status: statusOf(error),
        code: error.name,
        retryAfter: error.$response?.headers['retry-after'],
      }
    : undefined,
);

export function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

export function isNamed(error: unknown, name: string): boolean {
  return error instanceof S3ServiceException && error.name === name;
}
