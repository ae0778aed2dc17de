import type { Request, RequestHandler, Response } from 'express';
import { SnapshotError, toSnapshotError } from '../../errors.js';
import { callHost } from '../../events/call-host.js';
import { problemStatus, sendProblem, sendProblemOrBreak } from '../problem.js';
import { isAuthentic, marksOf, mayBeAuthentic, proofOf } from './authenticity.js';
import {
  type PushListener,
  parseWebhookOptions,
  type WebhookConfig,
  type WebhookOptions,
} from './options.js';
import { parsePayload, pushedUrls } from './payload.js';
import { BodyRoom, rawBody } from './read-body.js';
import { SeenDeliveries } from './seen-deliveries.js';

export type { PushListener, WebhookOptions } from './options.js';

/** RFC 9110 requires a challenge in each 401 (section 15.5.2). No registered scheme fits. */
const CHALLENGE = { 'WWW-Authenticate': 'Webhook-Signature' };

/**
 * Makes a handler for the push webhooks of GitHub, GitLab, Gitea and Forgejo. Answers 202 to each authentic
 * delivery before it acts, whatever the event is and whether the repository is known: the answer does not
 * tell which repositories are mirrored.
 *
 * @throws SnapshotError `INVALID_OPTIONS`, whose message names each option that is wrong.
 */
export function createWebhookHandler(options: WebhookOptions): RequestHandler {
  const config = parseWebhookOptions(options);
  const seen = new SeenDeliveries();
  const room = new BodyRoom();
  return (req, res) => void answer(req, res, config, seen, room);
}

/** Never rejects: Express 4 ignores the promise of a handler. */
async function answer(
  req: Request,
  res: Response,
  { secret: secrets, service, logger = console }: WebhookConfig,
  seen: SeenDeliveries,
  room: BodyRoom,
): Promise<void> {
  try {
    if (req.method !== 'POST') {
      const error = new SnapshotError('METHOD_NOT_ALLOWED', 'deliveries are posted');
      return sendProblem(res, error, { Allow: 'POST' });
    }
    const { headers } = req;
    const proof = proofOf(headers);
    const unauthorized = () =>
      sendProblem(res, new SnapshotError('UNAUTHORIZED', 'not authentic'), CHALLENGE);
    // A delivery without a proof gets no memory for its body.
    if (!proof || !mayBeAuthentic(proof, headers, secrets, Date.now())) return unauthorized();
    const body = await room.use((take, signal) => rawBody(req, take, signal));
    if (!isAuthentic(proof, headers, body, secrets)) return unauthorized();
    const payload = readPayload(req, body);
    const marks = marksOf(proof, headers, body);
    const isNew = seen.add(marks);
    res.writeHead(202, { 'Content-Length': 0, 'Cache-Control': 'no-store' }).end();
    if (!isNew) return;
    let isActedOn = false;
    try {
      isActedOn = await tell(service, pushedUrls(headers, payload));
    } finally {
      if (!isActedOn) seen.forget(marks);
    }
  } catch (error) {
    const failure = toSnapshotError(error);
    if (failure.code === 'ABORTED') return; // the sender is gone
    if (problemStatus(failure.code) >= 500) {
      const fields = { code: failure.code, err: failure };
      callHost('a logger', () => logger.error(fields, 'webhook failed'));
    }
    callHost('a response', () => sendProblemOrBreak(res, failure));
  }
}

/** Reports the first URL that is known. @returns whether one is known. */
async function tell(service: PushListener, urls: readonly string[]): Promise<boolean> {
  for (const url of urls) if (await service.pushed(url)) return true;
  return false;
}

/** @throws SnapshotError `INVALID_REQUEST` when it is not JSON. */
function readPayload({ headers }: Request, body: Buffer): unknown {
  try {
    return parsePayload(headers, body);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new SnapshotError('INVALID_REQUEST', 'the payload is not JSON', { cause });
  }
}
