/** A repository as clients address it: the host in lower case, the path without `.git`. */
export interface RepositoryId {
  /** `github.com`, or `host:port` where the allow-list names a port. */
  readonly host: string;
  /** One or more segments joined by `/`: `org/repo`, `group/subgroup/repo`. */
  readonly path: string;
}
