export default {
  mode: 'production',
  target: 'node20',
  entry: './bundle.mjs',
  experiments: { outputModule: true },
  output: {
    path: `${import.meta.dirname ?? process.cwd()}/out-webpack`,
    filename: 'app.mjs',
    module: true,
  },
  // The package and its entries, such as express-git-snapshot/s3.
  externals: process.env.WHOLE ? [] : [/^express-git-snapshot(\/|$)/],
  externalsType: 'module',
};
