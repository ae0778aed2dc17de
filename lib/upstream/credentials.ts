import { unlessAborted } from '../async/abort.js';
import { recentlyUsed } from '../async/recently-used.js';
import { hostFailure } from '../call-host.js';
import { type AllowList, hostConfig } from '../config/hosts.js';
import { isAccessRefused, SnapshotError, toSnapshotError } from '../errors.js';
import { type RepositoryId, repositoryKey } from '../repository.js';

/** Clients choose the repositories; each takes about 200 bytes. */
const MAX_DENIED = 10_000;

/** The credentials that the host app gives to upstreams, and the repositories refused to them. */
export class UpstreamCredentials {
  readonly #allowList: AllowList;
  readonly #denied = recentlyUsed<string, true>(MAX_DENIED);

  constructor(allowList: AllowList) {
    this.#allowList = allowList;
  }

  /**
   * The `Authorization` header for a fetch. `undefined`: the fetch is anonymous.
   *
   * @throws SnapshotError what `credentials` threw, or a failure that names `credentials`; the signal's reason.
   */
  async authorization(repository: RepositoryId, signal: AbortSignal): Promise<string | undefined> {
    const { credentials } = hostConfig(this.#allowList, repository);
    if (credentials === undefined) return undefined;
    const previousDenied = this.#denied.has(repositoryKey(repository));
    const call = async () => credentials(repository, { signal, previousDenied });
    const given = await unlessAborted(call(), signal).catch((thrown: unknown) => {
      signal.throwIfAborted();
      if (SnapshotError.is(thrown)) throw thrown;
      const { code } = toSnapshotError(thrown);
      throw hostFailure(`credentials of ${repository.host}`, thrown, code);
    });
    if (given === undefined) return undefined;
    const { username, password } = given;
    if (typeof username !== 'string' || typeof password !== 'string') {
      const message = `credentials for ${repository.host} are not { username, password }`;
      throw new SnapshotError('INTERNAL', message);
    }
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }

  /** Notes how a fetch with credentials ends. An outage tells nothing about the credentials. */
  async watch<T>(repository: RepositoryId, fetch: Promise<T>): Promise<T> {
    const key = repositoryKey(repository);
    try {
      const result = await fetch;
      this.#denied.delete(key);
      return result;
    } catch (error) {
      if (isAccessRefused(error)) this.#denied.set(key, true);
      throw error;
    }
  }
}
