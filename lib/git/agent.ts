/**
 * The `agent` capability (gitprotocol-capabilities(5)): printable, and without spaces. Only an upstream that
 * tells its own may be told ours.
 *
 * @returns one element, or none.
 */
export function agentCapability(userAgent: string, offered: ReadonlySet<string>): string[] {
  for (const capability of offered) {
    if (capability.startsWith('agent='))
      return [`agent=${userAgent.replace(/[^\x21-\x7e]/g, '-')}`];
  }
  return [];
}
