/** Quotes a value for a config file, git-config(1). The value has no line breaks or NULs. */
export function quoteConfigValue(value: string): string {
  const escaped = value.replace(/[\\"]/g, '\\$&').replace(/\t/g, '\\t');
  return /^\s|\s$|[;#]/.test(value) ? `"${escaped}"` : escaped;
}

/**
 * The lines of a config file that make a local branch track the upstream's branch of its name.
 *
 * @param ref the branch's full name, bytes as latin1.
 */
export function trackingLines(ref: string): string[] {
  const subsection = ref.slice('refs/heads/'.length).replace(/[\\"]/g, '\\$&');
  return [`[branch "${subsection}"]`, '\tremote = origin', `\tmerge = ${quoteConfigValue(ref)}`];
}
