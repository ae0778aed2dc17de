import { GetObjectCommand } from '@aws-sdk/client-s3';
import type { ObjectHead, S3Bucket } from './bucket.js';
import { requirePresigner } from './config.js';
import { answerOf } from './failure.js';
import type { PresignOptions } from './options.js';

/**
 * Signs the URL of an object, or of its S3 version if there is one. Makes no request. The time of the
 * signature is that of the server's answer: this machine's clock may be wrong.
 */
export async function presignObject(
  bucket: S3Bucket,
  name: string,
  { versionId, date }: ObjectHead,
  { expiresIn, contentType, contentDisposition, signal }: PresignOptions,
): Promise<string> {
  const command = new GetObjectCommand({
    Bucket: bucket.name,
    Key: name,
    VersionId: versionId,
    ResponseContentType: contentType,
    ResponseContentDisposition: contentDisposition,
  });
  // Loaded on first use, because the package is optional.
  const { getSignedUrl } = await import('@aws-sdk/s3-request-presigner').catch((error) => {
    requirePresigner();
    throw error;
  });
  const signingDate = new Date(date ?? Date.now());
  const signing = getSignedUrl(bucket.client, command, { expiresIn, signingDate });
  return answerOf(signing, command, signal);
}
