import { createHmac } from 'node:crypto';

/** One POST, as a git host makes it. */
export interface Delivery {
  readonly headers: Record<string, string>;
  readonly body: string | Buffer;
}

export const CLONE_URL = 'https://github.com/org/repo.git';
export const GITLAB_URL = 'https://gitlab.com/group/sub/repo.git';

export const GITHUB_PUSH = {
  ref: 'refs/heads/main',
  before: '0'.repeat(40),
  after: 'a'.repeat(40),
  repository: {
    id: 1,
    full_name: 'org/repo',
    clone_url: CLONE_URL,
    html_url: 'https://github.com/org/repo',
    pushed_at: 1_700_000_000,
  },
};

export const GITLAB_PUSH = {
  object_kind: 'push',
  event_name: 'push',
  ref: 'refs/heads/main',
  project: { id: 1, git_http_url: GITLAB_URL, http_url: GITLAB_URL },
  repository: { name: 'repo', git_http_url: GITLAB_URL },
};

let deliveries = 0;

export function hubSignature(secret: string, body: string | Buffer): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

/** As GitHub sends it; Gitea and Forgejo send these headers, too. */
export function fromGitHub(
  secret: string,
  payload: unknown = { ...GITHUB_PUSH, delivery: ++deliveries },
  { event = 'push', form = false } = {},
): Delivery {
  const json = JSON.stringify(payload);
  const body = form ? new URLSearchParams({ payload: json }).toString() : json;
  return {
    body,
    headers: {
      'content-type': form ? 'application/x-www-form-urlencoded' : 'application/json',
      'x-github-event': event,
      'x-github-delivery': `github-${++deliveries}`,
      'x-hub-signature-256': hubSignature(secret, body),
    },
  };
}

/** As GitLab sends it for a hook with a secret token. */
export function fromGitLab(
  secret: string,
  payload: unknown = GITLAB_PUSH,
  event = 'Push Hook',
): Delivery {
  return {
    body: JSON.stringify(payload),
    headers: {
      'content-type': 'application/json',
      'x-gitlab-event': event,
      'x-gitlab-event-uuid': `event-${++deliveries}`,
      'idempotency-key': `delivery-${deliveries}`,
      'x-gitlab-token': secret,
    },
  };
}

export interface SignedWith {
  /** The bytes of the key. */
  key: Buffer;
  id?: string;
  /** Seconds since the epoch. */
  timestamp?: number | string;
  payload?: unknown;
}

/** As GitLab sends it for a hook with a signing token. */
export function fromSigningGitLab({
  key,
  id = `message-${++deliveries}`,
  timestamp = Math.floor(Date.now() / 1000),
  payload = GITLAB_PUSH,
}: SignedWith): Delivery {
  const body = JSON.stringify(payload);
  const signed = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'x-gitlab-event': 'Push Hook',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': `v1,${signed}`,
    },
  };
}
