import { createBackend } from '@backstage/backend-defaults';

const backend = createBackend();
backend.add(import('./plugin.js'));
await backend.start();
