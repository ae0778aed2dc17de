import { z } from 'zod';
import { ERROR_CODES, SnapshotError } from '../../lib/index.js';

/** An answer that breaks the wire contract. */
export class ContractViolation extends Error {
  constructor(
    /** The sentence of the contract that the answer breaks. */
    readonly sentence: string,
    found: unknown,
  ) {
    super(`not so: “${sentence}”; found ${JSON.stringify(found)}`);
    this.name = 'ContractViolation';
  }
}

/** An error answer that the contract allows. The client stops. */
export class RequestRefused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
  ) {
    super(`the server answers ${status}, ${code}`);
    this.name = 'RequestRefused';
  }
}

export function demand(holds: boolean, sentence: string, found: unknown): asserts holds {
  if (!holds) throw new ContractViolation(sentence, found);
}

/** A header, as it came; `null` when there is none. */
export function demandHeader(
  { headers }: Response,
  name: string,
  expected: string | RegExp,
  sentence: string,
): string {
  const found = headers.get(name);
  const holds = typeof expected === 'string' ? found === expected : expected.test(found ?? '');
  demand(found !== null && holds, sentence, { [name]: found });
  return found;
}

/** Checks that an answer has no body. */
export async function demandNoBody(response: Response, sentence: string): Promise<void> {
  const { byteLength } = await response.arrayBuffer();
  demand(byteLength === 0, sentence, { bytes: byteLength });
}

export async function readJson(response: Response, sentence: string): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new ContractViolation(sentence, text.slice(0, 200));
    throw error;
  }
}

const PROBLEM =
  'Errors are application/problem+json (RFC 9457) with type, title, status and our stable code';
const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  code: z.string(),
});

/** Reads an error to its end. @returns what to throw. */
export async function refusal(response: Response): Promise<RequestRefused> {
  demandHeader(response, 'content-type', /^application\/problem\+json\b/, PROBLEM);
  const { data } = problem.safeParse(await readJson(response, PROBLEM));
  demand(data !== undefined && data.status === response.status, PROBLEM, data);
  const code = ERROR_CODES.find((known) => known === data.code);
  const mayRetry = code === undefined || new SnapshotError(code, '').isTransient;
  if (response.status === 503 && mayRetry) {
    demandHeader(response, 'retry-after', /^\d+$/, '503 with Retry-After');
  }
  return new RequestRefused(response.status, data.code);
}
