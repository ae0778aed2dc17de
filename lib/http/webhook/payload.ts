import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';

/** Events that change refs, by the header that names the event. */
const PUSH_EVENTS: Readonly<Record<string, ReadonlySet<string>>> = {
  // Gitea and Forgejo send this header, too.
  'x-github-event': new Set(['push', 'create', 'delete']),
  'x-gitlab-event': new Set(['Push Hook', 'Tag Push Hook']),
};
/** GitLab's system hooks name the event in the payload. */
const SYSTEM_EVENTS: ReadonlySet<string> = new Set(['push', 'tag_push', 'repository_update']);

/** A value of another type counts as missing. */
const url = z.string().max(4_096).optional().catch(undefined);

const schema = z
  .looseObject({
    event_name: z.string().optional().catch(undefined),
    project: z.looseObject({ git_http_url: url, http_url: url }).optional().catch(undefined),
    repository: z
      .looseObject({ clone_url: url, git_http_url: url, html_url: url })
      .optional()
      .catch(undefined),
  })
  .catch({});

/**
 * Parses the body of a delivery: JSON, or a form with JSON in `payload`, which GitHub can be configured to
 * send.
 *
 * @throws SyntaxError
 */
export function parsePayload(headers: IncomingHttpHeaders, body: Buffer): unknown {
  const isForm = headers['content-type']?.startsWith('application/x-www-form-urlencoded') ?? false;
  const text = body.toString();
  return JSON.parse(isForm ? (new URLSearchParams(text).get('payload') ?? '') : text);
}

/**
 * The URLs that a payload gives for the pushed repository, the likeliest first. Empty if the event does not
 * change refs.
 */
export function pushedUrls(headers: IncomingHttpHeaders, payload: unknown): string[] {
  const { event_name, project, repository } = schema.parse(payload);
  if (!isPush(headers, event_name)) return [];
  const urls = [
    repository?.clone_url,
    project?.git_http_url,
    project?.http_url,
    repository?.git_http_url,
    repository?.html_url,
  ];
  return [...new Set(urls.filter((one) => one !== undefined))];
}

function isPush(headers: IncomingHttpHeaders, eventName: string | undefined): boolean {
  for (const [name, events] of Object.entries(PUSH_EVENTS)) {
    const event = headers[name];
    if (typeof event === 'string' && events.has(event)) return true;
  }
  return (
    headers['x-gitlab-event'] === 'System Hook' &&
    eventName !== undefined &&
    SYSTEM_EVENTS.has(eventName)
  );
}
