import { DELIM_PKT, encodePktLine, FLUSH_PKT, lineText, readPktLines } from './pkt-line.js';
import { isValidRefName } from './refs.js';
import { agentCapability } from './upload-pack.js';

/*
 * The `ls-refs` command of protocol v2: gitprotocol-v2(5). Only it tells which branch HEAD names
 * when that branch has no commits.
 */

/** `undefined` for an older protocol. @throws SnapshotError `UPSTREAM_INVALID` for no pkt-lines. */
export async function readCapabilities(
  body: AsyncIterable<Uint8Array>,
): Promise<ReadonlySet<string> | undefined> {
  let capabilities: Set<string> | undefined;
  for await (const line of readPktLines(body)) {
    if (line.kind !== 'data') {
      if (capabilities !== undefined) return capabilities;
      continue;
    }
    const text = lineText(line.payload);
    if (capabilities !== undefined) capabilities.add(text);
    else if (text === 'version 2') capabilities = new Set();
    // Some servers begin as for v0, with this and a flush.
    else if (!text.startsWith('# service=')) return undefined;
  }
  return undefined;
}

/** Asks for HEAD; `undefined` if the upstream can't say where an unborn HEAD points. */
export function encodeHeadQuery(agent: string, offered: ReadonlySet<string>): Buffer | undefined {
  const tellsUnborn = /^ls-refs=(?:.* )?unborn(?: .*)?$/;
  if (![...offered].some((capability) => tellsUnborn.test(capability))) return undefined;
  return Buffer.concat([
    encodePktLine('command=ls-refs\n'),
    ...agentCapability(agent, offered).map((capability) => encodePktLine(capability)),
    DELIM_PKT,
    ...['symrefs\n', 'unborn\n', 'ref-prefix HEAD\n'].map((line) => encodePktLine(line)),
    FLUSH_PKT,
  ]);
}

/** The branch that an unborn HEAD names; `undefined` when the answer does not say. */
export async function readUnbornHead(body: AsyncIterable<Uint8Array>): Promise<string | undefined> {
  for await (const line of readPktLines(body)) {
    if (line.kind !== 'data') return undefined;
    const text = lineText(line.payload);
    const target = /^unborn HEAD symref-target:(refs\/heads\/.+)$/s.exec(text)?.[1];
    if (target !== undefined && isValidRefName(target)) return target;
  }
  return undefined;
}
