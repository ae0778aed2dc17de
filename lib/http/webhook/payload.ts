import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { parseJson } from '../request-body.js';

// Events that change refs. GitHub, Gitea, Forgejo and GitLab name them in a header; the payload of a
// GitLab system hook names its event.
const GITHUB_EVENTS: ReadonlySet<unknown> = new Set(['push', 'create', 'delete']);
const GITLAB_EVENTS: ReadonlySet<unknown> = new Set(['Push Hook', 'Tag Push Hook']);
const SYSTEM_EVENTS: ReadonlySet<unknown> = new Set(['push', 'tag_push', 'repository_update']);

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
 * The URLs of the pushed repository, the likeliest first. Empty if the event does not change refs.
 *
 * @throws SnapshotError `INVALID_REQUEST` when the payload is not JSON.
 */
export function pushedUrls(headers: IncomingHttpHeaders, body: Buffer): string[] {
  const { event_name, project, repository } = schema.parse(parsePayload(headers, body));
  const gitlabEvent = headers['x-gitlab-event'];
  const isPush =
    GITHUB_EVENTS.has(headers['x-github-event']) ||
    GITLAB_EVENTS.has(gitlabEvent) ||
    (gitlabEvent === 'System Hook' && SYSTEM_EVENTS.has(event_name));
  if (!isPush) return [];
  const ofProject = [project?.git_http_url, project?.http_url];
  const urls = [
    repository?.clone_url,
    ...ofProject,
    repository?.git_http_url,
    repository?.html_url,
  ];
  return [...new Set(urls.filter((one) => one !== undefined))];
}

/** JSON, or a form with JSON in `payload`, which GitHub can be configured to send. */
function parsePayload(headers: IncomingHttpHeaders, body: Buffer): unknown {
  const isForm = headers['content-type']?.startsWith('application/x-www-form-urlencoded') ?? false;
  const text = body.toString();
  const json = isForm ? (new URLSearchParams(text).get('payload') ?? '') : text;
  return parseJson(json, 'the payload');
}
