import type { HeadObjectCommand } from '@aws-sdk/client-s3';

/** The facts of an answer that the SDK does not give to its callers. */
export interface AnswerFacts {
  /** The server's `Date`: milliseconds since the epoch. */
  date: number | undefined;
}

/** The SDK's response, before it reads it. */
interface RawResponse {
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

/** Notes facts of the answer to a command that is about to be sent. */
export function watchAnswer(command: HeadObjectCommand): AnswerFacts {
  const facts: AnswerFacts = { date: undefined };
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { headers } = result.response as RawResponse;
      const date = Date.parse(headers?.date ?? '');
      facts.date = Number.isNaN(date) ? undefined : date;
      return result;
    },
    { step: 'deserialize', priority: 'low' },
  );
  return facts;
}
