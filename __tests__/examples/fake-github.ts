import { createVerify, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { listen } from '../support/listen.js';
import type { Cleanup } from '../support/temporary-directory.js';

const APP_ID = '4711';

/** A server that plays GitHub's API. It gives an app the tokens `token-1`, `token-2` and so on. */
export interface FakeGitHub {
  readonly url: string;
  readonly appId: string;
  /** In the format that GitHub gives it: PKCS #1. */
  readonly privateKey: string;
  /** The id of the installation by owner. */
  readonly installations: Map<string, number>;
  /** The installation and the permissions of each token. */
  readonly made: unknown[];
}

type AppKey = { readonly publicKey: string; readonly privateKey: string };
let key: AppKey | undefined;

/** One for all tests of a file: to find it takes up to a second. */
function appKey(): AppKey {
  key ??= generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  return key;
}

export async function startFakeGitHub(defer: Cleanup['defer']): Promise<FakeGitHub> {
  const { publicKey, privateKey } = appKey();
  const installations = new Map<string, number>();
  const made: unknown[] = [];

  const server = createServer(async (req, res) => {
    const answer = (status: number, body: unknown) => {
      res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    if (!isSigned(req.headers.authorization, publicKey)) return answer(401, {});
    const [, owner] = /^\/repos\/([^/]+)\/[^/]+\/installation$/.exec(req.url ?? '') ?? [];
    if (owner !== undefined) {
      const id = installations.get(owner);
      return id === undefined ? answer(404, { message: 'Not Found' }) : answer(200, { id });
    }
    const [, id] = /^\/app\/installations\/(\d+)\/access_tokens$/.exec(req.url ?? '') ?? [];
    if (req.method !== 'POST' || ![...installations.values()].includes(Number(id))) {
      return answer(404, { message: 'Not Found' });
    }
    const { permissions } = JSON.parse(await text(req));
    made.push({ installation: Number(id), permissions });
    const expires_at = new Date(Date.now() + 3_600_000).toISOString();
    answer(201, { token: `token-${made.length}`, expires_at, permissions });
  });
  return { url: await listen(server, defer), appId: APP_ID, privateKey, installations, made };
}

/** Whether it is a JSON Web Token of the app (RFC 7519). */
function isSigned(authorization: string | undefined, publicKey: string): boolean {
  const [, head = '', payload = '', signature = ''] =
    /^bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/i.exec(authorization ?? '') ?? [];
  const verify = createVerify('RSA-SHA256').update(`${head}.${payload}`);
  if (!verify.verify(publicKey, signature, 'base64url')) return false;
  const { iss, exp } = JSON.parse(Buffer.from(payload, 'base64url').toString());
  return String(iss) === APP_ID && exp * 1000 > Date.now();
}
