import type { Command, Host } from './host.js';

const EXPRESS = ['express@5', 'express4@npm:express@4', 'compression@1'];
const FRAMEWORKS = [
  ...EXPRESS,
  'fastify@5',
  '@fastify/express@4',
  '@fastify/middie@9',
  'koa@3',
  'hono@4',
  '@hono/node-server@2',
  '@nestjs/core@12',
  '@nestjs/common@12',
  '@nestjs/platform-express@12',
  '@nestjs/platform-fastify@12',
  'reflect-metadata',
  'rxjs@7',
];
const TYPESCRIPT = [
  'express@5',
  'typescript@5',
  'tsx@4',
  'ts-node@10',
  '@types/node@20',
  '@types/express@5',
];
const BUNDLERS = [
  'express@5',
  'esbuild',
  'webpack@5',
  'webpack-cli',
  '@vercel/ncc',
  'rollup@4',
  '@rollup/plugin-node-resolve',
  '@rollup/plugin-commonjs',
  '@rollup/plugin-json',
  'vite',
];
const PM2 = [...EXPRESS, 'pm2'];
const RUNTIMES = [...EXPRESS, 'bun@1', 'deno@2'];
const TESTS = ['express@5', 'jest@30', 'vitest'];
const BABEL = ['jest@30', '@babel/preset-env@7', 'babel-plugin-transform-import-meta@2'];

const JEST = ['node', 'node_modules/jest/bin/jest.js', '--config'] as const;

const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission';
const LIMITED = [PERMISSION, '--allow-fs-read=PROJECT/*', '--allow-fs-read=DATA/*'];

/** The failure of a bundle that contains the package. */
const BUNDLED = { fails: /tell the bundler to leave the package out/ };

const REQUIRE =
  "--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

const esbuild = (format: 'esm' | 'cjs', ...more: string[]): Command => [
  'npx',
  'esbuild',
  'bundle.mjs',
  '--bundle',
  '--platform=node',
  '--log-level=error',
  `--format=${format}`,
  `--outfile=out-esbuild/app.${format === 'esm' ? 'mjs' : 'cjs'}`,
  ...(format === 'esm' ? [REQUIRE] : []),
  ...more,
];

const express = (name: string, more: Partial<Host> = {}): Host => ({
  name,
  packages: FRAMEWORKS,
  start: ['node', 'express.mjs'],
  ...more,
});

const onNode = (name: string, more: Partial<Host>): Host =>
  express(name, { packages: EXPRESS, ...more });

/** An app of `examples/frameworks/`. */
const framework = (name: string, file: string, more: Partial<Host> = {}): Host =>
  express(name, { start: ['node', file], gitHost: 'github.com', ...more });

const bundle = (name: string, build: Command, start: string, more: Partial<Host> = {}): Host => ({
  name,
  packages: BUNDLERS,
  build: [build],
  start: ['node', start],
  ...more,
});

export type Kind =
  | 'frameworks'
  | 'typescript'
  | 'package-managers'
  | 'bundlers'
  | 'node-flags'
  | 'processes'
  | 'proxies'
  | 'runtimes'
  | 'test-runners';

export const HOSTS: Readonly<Record<Kind, readonly Host[]>> = {
  frameworks: [
    express('Express 5'),
    express('Express 4', { env: { EXPRESS: 'express4' } }),
    express('Express 5, CommonJS', { start: ['node', 'express.cjs'] }),
    {
      name: 'Express 4, CommonJS, express-async-errors',
      packages: ['express@4', 'express-async-errors@3'],
      start: ['node', 'express.cjs'],
      env: { ASYNC_ERRORS: '1' },
    },
    express('Express 5, https', { start: ['node', 'tls.mjs'], scheme: 'https' }),
    express('Express 5 router, HTTP/2', {
      start: ['node', 'tls.mjs'],
      scheme: 'http2',
      env: { HTTP2: '1' },
    }),
    framework('Nest, Express', 'nest.js'),
    framework('Nest, Fastify', 'nest.js', { env: { ADAPTER: 'fastify' } }),
    framework('Fastify, @fastify/express', 'fastify.js'),
    framework('Fastify, @fastify/middie', 'fastify.js', { env: { PLUGIN: '@fastify/middie' } }),
    framework('Koa', 'koa.js'),
    framework('Hono, node-server', 'hono.js'),
    framework('Next.js, custom server', 'next.js', {
      packages: ['express@5', 'next', 'react', 'react-dom'],
      build: [['npx', 'next', 'build']],
    }),
  ],
  typescript: [
    {
      name: 'tsx',
      packages: TYPESCRIPT,
      start: ['node', 'express.ts'],
      flags: ['--import', 'tsx'],
    },
    {
      name: 'ts-node',
      packages: TYPESCRIPT,
      start: ['node', 'express.ts'],
      flags: ['--no-warnings', '--loader', 'ts-node/esm'],
    },
    {
      name: 'type stripping',
      packages: TYPESCRIPT,
      start: ['node', 'express.ts'],
      needsNode24: true,
    },
  ],
  'package-managers': [
    { name: 'pnpm', packages: EXPRESS, manager: 'pnpm', start: ['node', 'express.mjs'] },
    {
      name: "Yarn Plug'n'Play",
      packages: EXPRESS,
      manager: 'yarn-pnp',
      start: ['node', 'express.mjs'],
      flags: ['--no-warnings', '--require', './.pnp.cjs', '--loader', './.pnp.loader.mjs'],
    },
  ],
  bundlers: [
    bundle('esbuild', esbuild('esm', '--external:express-git-snapshot'), 'out-esbuild/app.mjs'),
    bundle(
      'esbuild, CommonJS',
      esbuild('cjs', '--external:express-git-snapshot'),
      'out-esbuild/app.cjs',
    ),
    bundle('webpack', ['npx', 'webpack'], 'out-webpack/app.mjs'),
    bundle(
      'ncc',
      ['npx', 'ncc', 'build', 'bundle.mjs', '-o', 'out-ncc', '--external', 'express-git-snapshot'],
      'out-ncc/index.mjs',
    ),
    bundle('Rollup', ['npx', 'rollup', '-c', '--silent'], 'out-rollup/app.mjs'),
    bundle('Vite SSR', ['npx', 'vite', 'build'], 'out-vite/bundle.js'),
    bundle('esbuild, the package inside', esbuild('esm'), 'out-esbuild/app.mjs', {
      outcome: BUNDLED,
    }),
    bundle('esbuild, CommonJS, the package inside', esbuild('cjs'), 'out-esbuild/app.cjs', {
      outcome: BUNDLED,
    }),
    bundle(
      'ncc, the package inside',
      ['npx', 'ncc', 'build', 'bundle.mjs', '-o', 'out-ncc'],
      'out-ncc/index.mjs',
      {
        outcome: BUNDLED,
      },
    ),
    bundle(
      'Rollup, the package inside',
      ['npx', 'rollup', '-c', '--silent'],
      'out-rollup/app.mjs',
      {
        env: { WHOLE: '1' },
        outcome: BUNDLED,
      },
    ),
    bundle('Vite SSR, the package inside', ['npx', 'vite', 'build'], 'out-vite/bundle.js', {
      env: { WHOLE: '1' },
      outcome: BUNDLED,
    }),
  ],
  'node-flags': [
    onNode('node --permission', {
      flags: [...LIMITED, '--allow-fs-write=DATA/*', '--allow-worker'],
    }),
    onNode('node --permission, too little', {
      flags: LIMITED,
      outcome: { fails: /start node with --allow-worker --allow-fs-write=\S+\/\*/ },
    }),
    onNode('node --jitless', {
      flags: ['--jitless'],
      outcome: { fails: /start node without --jitless/ },
    }),
    ...[
      '--disable-proto=delete',
      '--disallow-code-generation-from-strings',
      '--max-old-space-size=128',
      '--conditions=development',
      '--enable-source-maps',
    ].map((flag) => onNode(`node ${flag}`, { flags: [flag] })),
    onNode('NODE_OPTIONS', {
      env: { NODE_OPTIONS: '--max-old-space-size=128 --enable-source-maps' },
    }),
    onNode('node --frozen-intrinsics', {
      flags: ['--frozen-intrinsics', '--no-warnings'],
      outcome: { fails: /node_modules\/depd/ },
    }),
  ],
  processes: [
    onNode('cluster', { start: ['node', 'cluster.mjs'] }),
    onNode('worker_threads', { start: ['node', 'thread.mjs'] }),
    {
      name: 'read-only root',
      packages: EXPRESS,
      start: [
        'unshare',
        '-rm',
        'sh',
        '-c',
        'mkdir -p "$DATA_DIR" && mount --bind "$DATA_DIR" "$DATA_DIR" && mount -o remount,bind,ro / && exec node express.mjs',
      ],
    },
    {
      name: 'PM2, fork',
      packages: PM2,
      start: ['node', 'node_modules/pm2/bin/pm2-runtime', 'express.mjs'],
    },
    {
      name: 'PM2, cluster',
      packages: PM2,
      start: ['node', 'node_modules/pm2/bin/pm2-runtime', '-i', '2', 'express.mjs'],
    },
  ],
  proxies: [onNode('nginx', { start: ['node', 'nginx.mjs'] })],
  runtimes: [
    { name: 'Bun', packages: RUNTIMES, start: ['node_modules/.bin/bun', 'express.mjs'] },
    {
      name: 'Deno',
      packages: RUNTIMES,
      start: ['node_modules/.bin/deno', 'run', '-A', 'express.mjs'],
    },
  ],
  'test-runners': [
    {
      name: 'Jest, ES modules',
      packages: TESTS,
      start: [
        'node',
        'node_modules/jest/bin/jest.js',
        '--config',
        'jest.config.json',
        'app.test.mjs',
      ],
      flags: ['--experimental-vm-modules', '--no-warnings'],
      outcome: 'runs',
    },
    {
      name: 'Jest, CommonJS with import()',
      packages: TESTS,
      start: [
        'node',
        'node_modules/jest/bin/jest.js',
        '--config',
        'jest.config.json',
        'app.test.cjs',
      ],
      flags: ['--experimental-vm-modules', '--no-warnings'],
      outcome: 'runs',
    },
    {
      name: 'Jest, CommonJS with require',
      packages: TESTS,
      start: [...JEST, 'jest.config.json', 'require.test.cjs'],
      flags: ['--experimental-vm-modules', '--no-warnings'],
      needsNode24: true,
      outcome: 'runs',
    },
    {
      name: 'Jest, CommonJS with Babel',
      packages: ['express@5', ...BABEL],
      start: [...JEST, 'jest-babel.config.json', 'require.test.cjs'],
      outcome: 'runs',
    },
    {
      name: 'Vitest',
      packages: TESTS,
      start: ['npx', 'vitest', 'run', '--globals', '--testTimeout=120000', 'app.test.mjs'],
      outcome: 'runs',
    },
  ],
};
