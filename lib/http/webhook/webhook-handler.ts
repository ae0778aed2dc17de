import type { Request, RequestHandler, Response } from 'express';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { callHost } from '../../call-host.js';
import { checkOptions, methods } from '../../check-options.js';
import type { Logger } from '../../config/options.js';
import { SnapshotError, toSnapshotError } from '../../errors.js';
import { problemStatus, sendProblem, sendProblemOrBreak } from '../problem.js';
import { proofOf } from './authenticity.js';
import { pushedUrls } from './payload.js';
import { BodyRoom } from './read-body.js';

/** Receives pushes: the service of a router. */
export interface PushListener {
  /**
   * Called after a push to the repository with this clone URL. Checks a known repository in the
   * background.
   *
   * @returns whether the repository is known.
   */
  pushed(url: string): boolean | Promise<boolean>;
}

const secret = z.string().min(1, 'must not be empty');

const schema = z.strictObject({
  /** The secret or signing token that the git host has. Give several while one replaces another. */
  secret: z
    .union([secret.transform((one) => [one]), z.array(secret).min(1, 'must have a secret')])
    .pipe(z.array(secret)),
  /** Gets each push. */
  service: methods<PushListener>(['pushed'], 'the service of a router'),
  /** Gets failures that need the operator. Default: `console`. */
  logger: methods<Logger>(['warn', 'error'], 'a logger').optional(),
});

/** The options of `createWebhookHandler`. */
export type WebhookOptions = z.input<typeof schema>;

/** RFC 9110 requires a challenge in each 401 (section 15.5.2). No registered scheme fits. */
const CHALLENGE = { 'WWW-Authenticate': 'Webhook-Signature' };

/**
 * Makes a handler for the push webhooks of GitHub, GitLab, Gitea and Forgejo. Answers 202 to each
 * authentic delivery before it acts, for all events and for unknown repositories, too: the answer
 * must not tell which repositories are mirrored.
 *
 * @throws SnapshotError `INVALID_OPTIONS`, whose message names each option that is wrong.
 */
export function createWebhookHandler(options: WebhookOptions): RequestHandler {
  const { secret: secrets, service, logger = console } = checkOptions(schema, options);
  const seen = new SeenDeliveries();
  const room = new BodyRoom();

  async function answer(req: Request, res: Response): Promise<void> {
    if (req.method !== 'POST') {
      const error = new SnapshotError('METHOD_NOT_ALLOWED', 'deliveries are posted');
      return sendProblem(res, error, { Allow: 'POST' });
    }
    const refuse = () =>
      sendProblem(res, new SnapshotError('UNAUTHORIZED', 'not authentic'), CHALLENGE);
    // A delivery without a proof gets no memory for its body.
    const proof = proofOf(req.headers, secrets, Date.now());
    if (proof === undefined) return refuse();
    const body = await room.read(req);
    if (!proof.covers(body)) return refuse();
    const urls = pushedUrls(req.headers, body);
    const marks = proof.marksWith(body);
    const isNew = seen.add(marks);
    res.writeHead(202, { 'Content-Length': 0, 'Cache-Control': 'no-store' }).end();
    if (!isNew) return;
    let isKnown = false;
    try {
      for (const url of urls) {
        isKnown = await service.pushed(url);
        if (isKnown) break;
      }
    } finally {
      if (!isKnown) seen.forget(marks);
    }
  }

  // Never rejects: Express 4 ignores the promise of a handler.
  return async (req, res) => {
    try {
      await answer(req, res);
    } catch (error) {
      const failure = toSnapshotError(error);
      if (failure.code === 'ABORTED') return; // the sender is gone
      if (problemStatus(failure.code) >= 500) {
        const fields = { code: failure.code, err: failure };
        callHost('a logger', () => logger.error(fields, 'webhook failed'));
      }
      sendProblemOrBreak(res, failure);
    }
  };
}

/** The marks of some 5,000 deliveries take about 2 MB. */
const MAX_MARKS = 10_000;

/** Remembers the latest deliveries by their marks. */
class SeenDeliveries {
  readonly #marks = new LRUCache<string, true>({ max: MAX_MARKS });

  /**
   * Remembers a delivery. @returns false if it was remembered before: then its other marks are not
   * kept, so that replays with made-up ids can't fill the memory.
   */
  add(marks: readonly string[]): boolean {
    if (marks.some((mark) => this.#marks.get(mark) !== undefined)) return false;
    for (const mark of marks) this.#marks.set(mark, true);
    return true;
  }

  /** Forgets a delivery that had no effect, so that the sender can repeat it. */
  forget(marks: readonly string[]): void {
    for (const mark of marks) this.#marks.delete(mark);
  }
}
