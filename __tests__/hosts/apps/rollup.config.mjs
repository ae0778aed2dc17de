import commonjs from '@rollup/plugin-commonjs';
import json from '@rollup/plugin-json';
import resolve from '@rollup/plugin-node-resolve';

export default {
  input: 'bundle.mjs',
  output: { file: 'out-rollup/app.mjs', format: 'es' },
  external: process.env.WHOLE ? [] : [/^express-git-snapshot(\/|$)/],
  plugins: [resolve({ preferBuiltins: true, exportConditions: ['node'] }), commonjs(), json()],
};
