/**
 * @one-node-version
 *
 * `npm run test:consumers` runs it: compilers take long.
 */
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cleanup } from '../support/temporary-directory.js';
import {
  type Compiler,
  compile,
  listFiles,
  makeConsumer,
  type Resolution,
} from './consumer-project.js';
import { pack, readManifest } from './packed-package.js';

interface Consumer {
  /** The packages that the entry's declarations may import, beside `@types/node`. */
  readonly uses: readonly string[];
  /** The most declarations of ours that a program with the entry may have. */
  readonly files: number;
  /** Code of a user. */
  readonly code: string;
}

/** By the entry. */
const CONSUMERS: Record<string, Consumer> = {
  'express-git-snapshot': {
    uses: ['@types/express'],
    files: 48,
    code: `
      import express from 'express';
      import {
        createSnapshotRouter,
        createWebhookHandler,
        type SnapshotOptions,
        type SnapshotRouter,
      } from 'express-git-snapshot';

      const hosts = ['github.com'] as const;

      export function mount(app: express.Express, secret?: string): SnapshotRouter {
        const options: SnapshotOptions = {
          dataDir: 'data',
          hosts,
          logger: undefined,
          authorize: (req, { host }) => req.get('x-host') === host,
        };
        const router = createSnapshotRouter(options);
        router.service.events.on('hit', ({ etag, size }) => console.log(etag, size));
        app.use('/git', router);
        if (secret !== undefined) {
          app.post('/pushes', createWebhookHandler({ secret, service: router.service }));
        }
        return router;
      }
    `,
  },
  'express-git-snapshot/service': {
    uses: [],
    files: 30,
    code: `
      import {
        createSnapshotService,
        parseRepository,
        type ServiceOptions,
        type SnapshotService,
        type StoredArtifact,
      } from 'express-git-snapshot/service';

      export async function refresh(name: string, signal?: AbortSignal): Promise<StoredArtifact> {
        const options: ServiceOptions = { dataDir: 'data', hosts: ['github.com'], store: undefined };
        const service: SnapshotService = createSnapshotService(options);
        return await service.refresh(parseRepository(name), { signal });
      }
    `,
  },
  'express-git-snapshot/client': {
    uses: [],
    files: 10,
    code: `
      import { restoreSnapshot } from 'express-git-snapshot/client';

      export async function restore(signal?: AbortSignal): Promise<string | undefined> {
        const result = await restoreSnapshot({ url: 'http://host/', directory: 'target', signal });
        return result.commit;
      }
    `,
  },
  'express-git-snapshot/store': {
    uses: [],
    files: 14,
    code: `
      import { Readable } from 'node:stream';
      import {
        MemoryStore,
        type OpenOptions,
        SnapshotError,
        type SnapshotStore,
        TieredStore,
      } from 'express-git-snapshot/store';

      const memory: SnapshotStore = new MemoryStore({ maxBytes: 1, onEvict: undefined });
      export const store = new TieredStore({ local: memory, shared: memory });
      export const read = (options: OpenOptions) => memory.open('key', { ...options });
      export const write = (text: string) => memory.put('key', Readable.from([text]));
      export const isOurs = (error: unknown) => SnapshotError.is(error, 'PRECONDITION_FAILED');
    `,
  },
  'express-git-snapshot/locks': {
    uses: [],
    files: 10,
    code: `
      import { type LockRegistry, MemoryLocks, withFallback } from 'express-git-snapshot/locks';

      const own: LockRegistry = {
        acquire: async (_key, { signal } = {}) => ({
          signal: signal ?? new AbortController().signal,
          release: async () => {},
        }),
      };
      export const locks: LockRegistry = withFallback(own, new MemoryLocks());
    `,
  },
  'express-git-snapshot/s3': {
    uses: ['@aws-sdk/client-s3'],
    files: 12,
    code: `
      import { S3Client } from '@aws-sdk/client-s3';
      import { S3Store } from 'express-git-snapshot/s3';

      export const store = new S3Store({ bucket: 'snapshots', client: new S3Client({}) });
    `,
  },
  'express-git-snapshot/opentelemetry': {
    uses: ['@opentelemetry/api'],
    files: 48,
    code: `
      import { metrics, trace } from '@opentelemetry/api';
      import {
        type InstrumentOptions,
        instrumentRouter,
        instrumentService,
        instrumentStore,
      } from 'express-git-snapshot/opentelemetry';
      import { MemoryStore } from 'express-git-snapshot/store';
      import { createSnapshotService } from 'express-git-snapshot/service';

      const options: InstrumentOptions = {
        meterProvider: metrics.getMeterProvider(),
        tracerProvider: trace.getTracerProvider(),
        perRepository: ({ host }) => host === 'github.com',
      };
      const store = instrumentStore(new MemoryStore({ maxBytes: 1 }), { ...options, name: 'memory' });
      const service = createSnapshotService({ dataDir: 'data', hosts: ['github.com'], store });
      export const end: () => void = instrumentService(service, options);
      export const instrument = instrumentRouter;
    `,
  },
  'express-git-snapshot/gcs': {
    uses: ['@google-cloud/storage'],
    files: 12,
    code: `
      import { Storage } from '@google-cloud/storage';
      import { GcsStore } from 'express-git-snapshot/gcs';

      export const store = new GcsStore({ bucket: 'snapshots', client: new Storage() });
    `,
  },
  'express-git-snapshot/azure': {
    uses: ['@azure/storage-blob'],
    files: 12,
    code: `
      import { BlobServiceClient } from '@azure/storage-blob';
      import { AzureStore } from 'express-git-snapshot/azure';

      const client = new BlobServiceClient('https://account.blob.core.windows.net');
      export const store = new AzureStore({ container: 'snapshots', client });
    `,
  },
  'express-git-snapshot/redis': {
    uses: ['ioredis', 'redis-semaphore'],
    files: 8,
    code: `
      import { Redis } from 'ioredis';
      import { RedisLocks } from 'express-git-snapshot/redis';

      export const locks = new RedisLocks({ client: new Redis(), leaseTime: undefined });
    `,
  },
  'express-git-snapshot/status-page': {
    uses: ['@types/express'],
    files: 55,
    code: `
      import express from 'express';
      import { createSnapshotRouter } from 'express-git-snapshot';
      import {
        createStatusPage,
        type StatusPageAction,
        type StatusPageOptions,
      } from 'express-git-snapshot/status-page';

      const actions: StatusPageAction[] = ['refresh'];
      const options: StatusPageOptions = {
        actions: (req) => (req.get('x-role') === 'admin' ? [...actions, 'remove'] : actions),
        snapshotsUrl: undefined,
      };
      const snapshots = createSnapshotRouter({ dataDir: 'data', hosts: ['github.com'] });
      const page = createStatusPage(snapshots, options);
      express().use('/status', page);
      export const closed: Promise<void> = page.close();
    `,
  },
  'express-git-snapshot/testing': {
    uses: [],
    files: 12,
    code: `
      import { lockContract, storeContract } from 'express-git-snapshot/testing';

      export const contracts = [lockContract, storeContract];
    `,
  },
};

/** Every compiler, resolution and version of Express' types, each with each of the others' kinds. */
const SETTINGS: [Compiler, Resolution, types: string][] = [
  ['5.4', 'node16', '@types/express4'],
  ['5.4', 'nodenext', '@types/express'],
  ['5.4', 'bundler', '@types/express4'],
  ['newest', 'node16', '@types/express'],
  ['newest', 'nodenext', '@types/express4'],
  ['newest', 'bundler', '@types/express'],
];

const ENTRIES = Object.keys(CONSUMERS);

const { directory } = cleanup(afterAll);
let tarball: string;

beforeAll(async () => {
  tarball = await pack(await directory());
});

test('Each entry has a consumer', async () => {
  expect(ENTRIES.sort()).toEqual(Object.keys(await declarationsOfEntries()).sort());
});

test.each(SETTINGS)(
  'TypeScript %s, with resolution %s and %s, compiles the use of all entries',
  async (compiler, resolution, types) => {
    const project = await projectWith(types);
    // CommonJS: with `require` where the compiler lets it load an ES module.
    const kind = compiler === 'newest' && resolution === 'nodenext' ? 'require' : 'import';
    // The declarations of these clients take most of the time: once for each compiler is enough.
    const entries = entriesFor(compiler).filter(
      (entry) => resolution === 'nodenext' || !/\/(s3|gcs|azure)$/.test(entry),
    );
    const files = entries.flatMap((entry) =>
      resolution === 'bundler'
        ? [`${fileName(entry)}.mts`]
        : [`${fileName(entry)}.mts`, `${fileName(entry)}.${kind}.cts`],
    );
    expect((await compile(project, compiler, resolution, files)).errors).toEqual([]);
  },
);

describe('The declarations', () => {
  let project: string;

  beforeAll(async () => {
    project = await projectWith('@types/express');
  });

  test.each(Object.entries(CONSUMERS))(
    'of %s alone bring only what they need',
    async (entry, { uses, files: most }) => {
      const files = [`${fileName(entry)}.mts`];
      const packages = (await listFiles(project, files)).map(packageOf);
      const { dependencies, peerDependencies } = await readManifest();
      const foreign = Object.keys({ ...dependencies, ...peerDependencies });
      expect(foreign.filter((name) => packages.includes(name)).sort()).toEqual(uses);
      const own = packages.filter((name) => name === 'express-git-snapshot');
      expect(own.length).toBeLessThanOrEqual(most);
    },
  );
});

test.each([
  ['imports zod', 'newest', "export type { ZodType } from 'zod';"],
  ['imports isomorphic-git', 'newest', "export type { WalkerEntry } from 'isomorphic-git';"],
  ['is generic in typed arrays', '5.4', 'export type Leak = Uint8Array<ArrayBuffer>;'],
] as const)(
  'A declaration that %s does not compile, in no entry',
  async (_what, compiler, leak) => {
    const project = await projectWith('@types/express');
    const paths = await declarationsOfEntries();
    const entries = entriesFor(compiler);
    const declarations = entries.map((entry) => paths[entry] ?? '');
    for (const path of declarations) await appendFile(join(project, path), `\n${leak}\n`);
    const files = entries.map((entry) => `${fileName(entry)}.mts`);
    const { errors } = await compile(project, compiler, 'nodenext', files);
    const wrong = errors.map((line) => line.replace(/\(.*/, ''));
    expect(wrong.sort()).toEqual(declarations.sort());
  },
);

/** The declarations of Google's client need TypeScript 5.7. */
function entriesFor(compiler: Compiler): string[] {
  return ENTRIES.filter((entry) => compiler === 'newest' || !entry.endsWith('/gcs'));
}

/** A project with all consumers. */
async function projectWith(expressTypes: string): Promise<string> {
  const project = await directory();
  const used = ['@types/node', ...Object.values(CONSUMERS).flatMap(({ uses }) => uses)];
  const links = Object.fromEntries(used.map((name) => [name, name]));
  await makeConsumer(tarball, project, { ...links, '@types/express': expressTypes });
  for (const [entry, { code }] of Object.entries(CONSUMERS)) {
    const file = join(project, fileName(entry));
    await writeFile(`${file}.mts`, code);
    await writeFile(`${file}.import.cts`, `export const entry = import('${entry}');\n`);
    const script = `import entry = require('${entry}');\nexport { entry };\n`;
    await writeFile(`${file}.require.cts`, script);
  }
  return project;
}

function fileName(entry: string): string {
  return entry.replaceAll('/', '-');
}

/** Path of the declarations of each entry, in a project. */
async function declarationsOfEntries(): Promise<Record<string, string>> {
  const { exports } = await readManifest();
  const entries = Object.entries(exports).flatMap(([path, target]) => {
    if (typeof target === 'string') return [];
    const entry = path.replace('.', 'express-git-snapshot');
    return [[entry, join('node_modules/express-git-snapshot', target.types)]];
  });
  return Object.fromEntries(entries);
}

/** The package that a file belongs to; `undefined` for a file of the project. */
function packageOf(file: string): string | undefined {
  return /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1];
}
