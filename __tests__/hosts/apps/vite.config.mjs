export default {
  build: { ssr: 'bundle.mjs', outDir: 'out-vite', target: 'node20' },
  ssr: { noExternal: true, external: process.env.WHOLE ? [] : ['express-git-snapshot'] },
};
