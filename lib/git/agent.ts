/** The `agent` capability (gitprotocol-capabilities(5)): printable, and without spaces. */
export function agentCapability(userAgent: string): string {
  return `agent=${userAgent.replace(/[^\x21-\x7e]/g, '-')}`;
}
