// Jest's own `require` can't load an ES module, but `import()` can, with --experimental-vm-modules.
const serves = require('./serves.cjs');

test('serves a snapshot', async () => {
  await serves(await import('express-git-snapshot'));
});
