/**
 * The `agent` capability (gitprotocol-capabilities(5)): printable, and without spaces. It may be
 * sent only to an upstream that sends its own.
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
