import {
  type BlobClient,
  BlobSASPermissions,
  type BlobServiceClient,
  StorageSharedKeyCredential,
  type UserDelegationKey,
} from '@azure/storage-blob';
import type { PresignOptions } from '../bucket/options.js';
import { MAX_URL_LIFETIME } from '../bucket/schema.js';

/** Milliseconds: clocks differ. */
const SKEW = 300_000;

/** Makes URLs with a shared access signature, by the account key or by a user delegation key. */
export class SignedUrls {
  readonly #client: BlobServiceClient;
  #delegation: { readonly key: Promise<UserDelegationKey>; readonly until: number } | undefined;

  constructor(client: BlobServiceClient) {
    this.#client = client;
  }

  async sign(blob: BlobClient, options: PresignOptions): Promise<string> {
    const { expiresIn, contentType, contentDisposition } = options;
    const expiresAt = Date.now() + expiresIn * 1000;
    const about = {
      permissions: BlobSASPermissions.parse('r'),
      expiresOn: new Date(expiresAt),
      ...(contentType !== undefined && { contentType }),
      ...(contentDisposition !== undefined && { contentDisposition }),
    };
    if (blob.credential instanceof StorageSharedKeyCredential)
      return await blob.generateSasUrl(about);
    return await blob.generateUserDelegationSasUrl(about, await this.#keyUntil(expiresAt));
  }

  /** One key signs URLs for days. A key that could not be had is asked for again. */
  async #keyUntil(expiresAt: number): Promise<UserDelegationKey> {
    if (this.#delegation !== undefined && this.#delegation.until >= expiresAt)
      return await this.#delegation.key;
    const until = Date.now() + MAX_URL_LIFETIME * 1000;
    const from = new Date(Date.now() - SKEW);
    const key = this.#client.getUserDelegationKey(from, new Date(until - SKEW));
    const delegation = { key, until: until - SKEW };
    this.#delegation = delegation;
    key.catch(() => {
      if (this.#delegation === delegation) this.#delegation = undefined;
    });
    return await key;
  }
}
