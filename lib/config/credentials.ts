import type { RepositoryId } from '../repository.js';

/** Sent upstream as HTTP basic authentication, in a request header and nowhere else. */
export interface BasicCredentials {
  readonly username: string;
  readonly password: string;
}

/** Credentials of the host app for an upstream. More kinds may follow. */
export type Credentials = BasicCredentials;

/** The circumstances in which a `CredentialsProvider` is called. */
export interface CredentialsContext {
  /** Aborts when the credentials are no longer needed. */
  readonly signal: AbortSignal;
  /**
   * Whether the upstream refused this repository (401, 403, 404 or 410) to earlier credentials, and
   * no fetch with credentials has succeeded since. Then don't reuse a cached token: it may have
   * expired. Each process counts only its own fetches.
   */
  readonly previousDenied: boolean;
}

/** Gives the credentials for one fetch of a repository. `undefined`: fetch anonymously. */
export type CredentialsProvider = (
  repository: RepositoryId,
  context: CredentialsContext,
) => Credentials | undefined | Promise<Credentials | undefined>;
