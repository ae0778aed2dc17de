import { GetObjectCommand } from '@aws-sdk/client-s3';
import { hasCode } from '../../errors.js';
import type { ObjectHead, S3Bucket } from './bucket.js';
import { answerOf } from './failure.js';
import { missingPresigner } from './options.js';

export interface PresignOptions {
  /** Seconds for which the URL is good, at most 604,800: seven days. */
  expiresIn: number;
  /** Only this revision: when another one is stored, there is no URL. */
  revision?: string | undefined;
  /** The `Content-Type` of what is downloaded. Default: `application/octet-stream`. */
  contentType?: string | undefined;
  /** The `Content-Disposition` of what is downloaded. Default: none. */
  contentDisposition?: string | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Signs the URL of an object, or of its S3 version in buckets that keep versions. Makes no request.
 */
export async function presignObject(
  bucket: S3Bucket,
  name: string,
  { versionId }: ObjectHead,
  { expiresIn, contentType, contentDisposition, signal }: PresignOptions,
): Promise<string> {
  const command = new GetObjectCommand({
    Bucket: bucket.name,
    Key: name,
    VersionId: versionId,
    ResponseContentType: contentType,
    ResponseContentDisposition: contentDisposition,
  });
  const { getSignedUrl } = await importPresigner();
  return answerOf(getSignedUrl(bucket.client, command, { expiresIn }), signal);
}

/** Loaded on first use, as the package is optional. */
async function importPresigner() {
  try {
    return await import('@aws-sdk/s3-request-presigner');
  } catch (error) {
    if (!hasCode(error) || error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw missingPresigner(error);
  }
}
