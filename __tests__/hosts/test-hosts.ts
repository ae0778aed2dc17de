import { join } from 'node:path';
import { codeBlocks, readPage } from '../docs/markdown.js';
import { packWithUpstream } from '../package/packed-package.js';
import { serverCertificate } from '../support/certificate.js';
import { leftovers } from '../support/host-app.js';
import { run } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import type { Upstream } from '../support/upstream.js';
import { checkHost } from './check-host.js';
import type { Host } from './host.js';
import { HOSTS, type Kind } from './hosts.js';
import { node24, Projects } from './project.js';
import { type Ended, RunningHost } from './running-host.js';

/** Runs each host of a kind for real, in a project of its own with the packed package. */
export function testHosts(kind: Kind): void {
  const { directory, defer } = cleanup(afterAll);
  const { cert, key } = serverCertificate('localhost');
  let projects: Projects;
  let upstream: Upstream;
  let commit: string;
  let newNode: Promise<string | undefined> | undefined;

  beforeAll(async () => {
    const packed = await packWithUpstream({ directory, defer });
    ({ upstream, commit } = packed);
    projects = new Projects(packed.tarball, directory);
  });

  /** The environment of a host, with the Node that it needs. */
  async function environment({ needsNode24 }: Host) {
    if (needsNode24) newNode ??= node24(directory);
    const bin = needsNode24 && (await newNode);
    const home = await directory();
    return {
      PATH: bin ? `${bin}:${process.env.PATH}` : process.env.PATH,
      HOME: home,
      // Compilers and bundlers leave caches there.
      TMPDIR: home,
      PM2_HOME: join(home, 'pm2'),
      NEXT_TELEMETRY_DISABLED: '1',
      CERTIFICATE: cert,
      KEY: key,
      // The first block, which forwards requests to the app.
      NGINX: codeBlocks(await readPage('docs/proxies.md'), ['nginx'])[0],
    };
  }

  test.each(HOSTS[kind].map((host) => [host.name, host] as const))('%s', async (_, host) => {
    const { outcome, build = [], scheme, gitHost, exitCode = 0 } = host;
    const project = await projects.of(host);
    const env = await environment(host);
    for (const [program, ...args] of build) {
      await run(program, args, { cwd: project, env: { ...env, ...host.env } });
    }
    const dataDir = join(await directory(), 'data');
    const running = new RunningHost(host, { project, dataDir, upstreamUrl: upstream.url, env });
    defer(async () => running.kill());
    let ended: Ended;
    if (outcome === 'runs') {
      ended = await running.ended;
    } else if (outcome !== undefined) {
      ended = await running.ended;
      expect(ended.output).toMatch(outcome.fails);
      expect(ended.code).not.toBe(0);
      return;
    } else {
      const target = join(await directory(), 'copy');
      const port = await running.port;
      const early = running.ended.then(({ output }) => Promise.reject(new Error(output)));
      await Promise.race([checkHost(port, { scheme, gitHost, target, commit }), early]);
      early.catch(() => {});
      running.stop();
      ended = await running.ended;
    }
    if (ended.code !== exitCode) throw new Error(`ended with ${ended.code}: ${ended.output}`);
    expect(ended.output).not.toMatch(/not stored|INTERNAL/);
    expect(await leftovers(dataDir)).toEqual([]);
  });
}
