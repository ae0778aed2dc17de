import { agentCapability } from './agent.js';
import { OID_PATTERN } from './object.js';
import { DELIM_PKT, encodePktLine, FLUSH_PKT, readPktLines } from './pkt-line.js';
import { isValidRefName } from './refs.js';

/*
 * The `ls-refs` command of protocol v2, gitprotocol-v2(5), for what the list of all refs cannot say, which
 * branch HEAD names when that branch has no commits, and for refs that mirrors don't hold.
 */

export function encodeHeadQuery(agent: string): Buffer {
  return encodeQuery(agent, ['symrefs', 'unborn', 'ref-prefix HEAD']);
}

/** @param names full names of refs. */
export function encodeRefsQuery(agent: string, names: readonly string[]): Buffer {
  return encodeQuery(
    agent,
    names.map((name) => `ref-prefix ${name}`),
  );
}

function encodeQuery(agent: string, lines: readonly string[]): Buffer {
  return Buffer.concat([
    encodePktLine('command=ls-refs\n'),
    encodePktLine(agentCapability(agent)),
    DELIM_PKT,
    ...lines.map((line) => encodePktLine(Buffer.from(`${line}\n`, 'latin1'))),
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

/**
 * Of an answer to `encodeRefsQuery`, what it says of these refs: a prefix may be that of others as well.
 *
 * @returns full name → id; empty when the upstream did not understand the question.
 */
export async function readRefs(
  body: AsyncIterable<Uint8Array>,
  names: readonly string[],
): Promise<Map<string, string>> {
  const asked = new Set(names);
  const found = new Map<string, string>();
  for await (const line of readPktLines(body)) {
    if (line.kind !== 'data') break;
    const text = line.payload.toString('latin1').replace(/\n$/, '');
    const [oid, name] = [text.slice(0, 40), text.slice(41)];
    if (OID_PATTERN.test(oid) && asked.has(name)) found.set(name, oid);
  }
  return found;
}
