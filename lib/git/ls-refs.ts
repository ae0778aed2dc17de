import { agentCapability } from './agent.js';
import { DELIM_PKT, encodePktLine, FLUSH_PKT, readPktLines } from './pkt-line.js';
import { isValidRefName } from './refs.js';

/*
 * The `ls-refs` command of protocol v2, gitprotocol-v2(5), for the one thing that v0 cannot say:
 * which branch HEAD names when that branch has no commits.
 */

export function encodeHeadQuery(agent: string): Buffer {
  return Buffer.concat([
    encodePktLine('command=ls-refs\n'),
    encodePktLine(agentCapability(agent)),
    DELIM_PKT,
    encodePktLine('symrefs\n'),
    encodePktLine('unborn\n'),
    encodePktLine('ref-prefix HEAD\n'),
    FLUSH_PKT,
  ]);
}

/** The branch that an unborn HEAD names; `undefined` when the answer does not say. */
export async function readUnbornHead(body: AsyncIterable<Uint8Array>): Promise<string | undefined> {
  for await (const line of readPktLines(body)) {
    if (line.kind !== 'data') return undefined;
    const text = line.payload.toString('latin1').replace(/\n$/, '');
    const target = /^unborn HEAD symref-target:(refs\/heads\/.+)$/s.exec(text)?.[1];
    if (target !== undefined && isValidRefName(target)) return target;
  }
  return undefined;
}
