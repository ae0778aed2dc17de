import type { CredentialsProvider } from './credentials.js';

/** The options of one host of the allow-list. */
export interface HostOptions {
  /**
   * The base URL of the host's repositories: http or https, without credentials, query and
   * fragment. The service appends a repository's path, and fetches from there. Risk: over http,
   * anyone on the way can read and change the traffic, with its credentials.
   *
   * @default `https://{host}`
   */
  readonly baseUrl?: string | undefined;
  /**
   * The base of `remote.origin.url` in snapshots. Clients pull from there.
   *
   * @default `baseUrl`
   */
  readonly originUrl?: string | undefined;
  /**
   * Called once for each clone and each check of the upstream. Risk: all clients of the router can
   * read every repository that these credentials can read. Restrict that with `authorize`.
   *
   * @default none: the service fetches anonymously
   */
  readonly credentials?: CredentialsProvider | undefined;
  /**
   * The service follows a redirect only to URLs below one of these, or below `baseUrl`. Risk:
   * `authorize` gets the repository that the client named, not the target of a redirect.
   *
   * @default []
   */
  readonly redirectTo?: readonly string[] | undefined;
  /**
   * Whether `Org/Repo` and `org/repo` are one repository to the host. If so, paths are in lower
   * case wherever they appear, such as in `authorize` and `remote.origin.url`. Risk of a wrong
   * `false`: a client evades a rule of `authorize` by writing a name in another case.
   *
   * @default `true` for github.com, gitlab.com, bitbucket.org and codeberg.org
   */
  readonly caseInsensitivePaths?: boolean | undefined;
  /**
   * Refuses commits that a client requests by id and that no branch or tag reaches, even if they
   * are already stored. Risk of `false`: many hosts keep the commits of pull requests, also from
   * forks, and give them by id to everyone who may read the repository.
   *
   * @default false
   */
  readonly onlyReachableCommits?: boolean | undefined;
  /**
   * Lets the host and the hosts of `redirectTo` resolve to private, loopback and link-local
   * addresses. Risk: whoever controls the name can make the service connect into your network.
   *
   * @default false
   */
  readonly allowPrivateAddresses?: boolean | undefined;
  /**
   * The http or https URL of a proxy, with name and password if it wants them. All connections to
   * the host and to the hosts of `redirectTo` are tunnels through it. Risk: the proxy resolves the
   * names, so the service can't see whether they have private addresses: the proxy must refuse these.
   * The service still checks the allow-list, and addresses that are in URLs.
   *
   * @default none: straight connections
   */
  readonly proxy?: string | undefined;
}
