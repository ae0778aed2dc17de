import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';

/** Events after which refs may differ; by the header that names the event. */
const PUSH_EVENTS: Readonly<Record<string, ReadonlySet<string>>> = {
  // Gitea and Forgejo send this one, too.
  'x-github-event': new Set(['push', 'create', 'delete']),
  'x-gitlab-event': new Set(['Push Hook', 'Tag Push Hook']),
};
/** GitLab's system hooks name the event in the payload. */
const SYSTEM_EVENTS: ReadonlySet<string> = new Set(['push', 'tag_push', 'repository_update']);

/** What is not as expected is not there. */
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
 * Reads the body of a delivery: JSON, or a form that has it in `payload`, which GitHub sends if so
 * configured.
 *
 * @throws SyntaxError
 */
export function parsePayload(headers: IncomingHttpHeaders, body: Buffer): unknown {
  const isForm = headers['content-type']?.startsWith('application/x-www-form-urlencoded') ?? false;
  const text = body.toString();
  return JSON.parse(isForm ? (new URLSearchParams(text).get('payload') ?? '') : text);
}

/**
 * The URLs by which a payload names the repository that was pushed to, the likeliest first; none when
 * the event is not about refs.
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
