import type { Request, RequestHandler, Response } from 'express';
import { recentlyUsed } from '../../async/recently-used.js';
import { callHost } from '../../call-host.js';
import { checkOptions } from '../../check-options.js';
import { SnapshotError, toSnapshotError } from '../../errors.js';
import { sendProblem, sendProblemOrBreak } from '../problem.js';
import { proofOf } from './authenticity.js';
import type { WebhookOptions } from './options.js';
import { pushedUrls } from './payload.js';
import { BodyRoom } from './read-body.js';
import { webhookSchema } from './schema.js';

/** The marks of some 5,000 deliveries take about 2 MB. */
const MAX_MARKS = 10_000;

/** RFC 9110 requires a challenge in each 401 (section 15.5.2). No registered scheme fits. */
const CHALLENGE = { 'WWW-Authenticate': 'Webhook-Signature' };

/**
 * Makes a handler for the push webhooks of GitHub, GitLab, Gitea and Forgejo. Answers 202 to each
 * authentic delivery before it acts, also for other events and unknown repositories: the answer
 * must not tell which repositories are mirrored.
 *
 * @throws SnapshotError `INVALID_OPTIONS`, whose message names each option that is wrong.
 */
export function createWebhookHandler(options: WebhookOptions): RequestHandler {
  const { secret: secrets, service, logger = console } = checkOptions(webhookSchema, options);
  /** The marks of the latest deliveries. */
  const seen = recentlyUsed<string, true>(MAX_MARKS);
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
    const isReplay = marks.some((mark) => seen.get(mark) !== undefined);
    // The other marks of a replay are not kept: made-up ids must not fill the memory.
    if (!isReplay) for (const mark of marks) seen.set(mark, true);
    res.writeHead(202, { 'Content-Length': 0, 'Cache-Control': 'no-store' }).end();
    if (isReplay) return;
    let isKnown = false;
    try {
      for (const url of urls) {
        isKnown = await service.notifyPush(url);
        if (isKnown) break;
      }
    } finally {
      // The delivery had no effect: the sender may repeat it.
      if (!isKnown) for (const mark of marks) seen.delete(mark);
    }
  }

  // Never rejects: Express 4 ignores the promise of a handler.
  return async (req, res) => {
    try {
      await answer(req, res);
    } catch (error) {
      const failure = toSnapshotError(error);
      if (failure.code === 'ABORTED') return; // the sender is gone
      if (failure.httpStatus >= 500) {
        const fields = { code: failure.code, err: failure };
        callHost('a logger', () => logger.error(fields, 'webhook failed'));
      }
      sendProblemOrBreak(res, failure);
    }
  };
}
