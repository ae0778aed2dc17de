// Jest loads the ES module itself on Node 24.9, or Babel compiles it.
const serves = require('./serves.cjs');

test('serves a snapshot', async () => {
  await serves(require('express-git-snapshot'));
});
