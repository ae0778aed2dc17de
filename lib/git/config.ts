/** A value as git-config(1) reads it back unchanged. Values hold no line breaks or NULs. */
export function quoteConfigValue(value: string): string {
  const escaped = value.replace(/[\\"]/g, '\\$&').replace(/\t/g, '\\t');
  return /^\s|\s$|[;#]/.test(value) ? `"${escaped}"` : escaped;
}
