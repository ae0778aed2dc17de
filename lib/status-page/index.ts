export { createStatusPage, type StatusPage } from './create-status-page.js';
export type { ShownSnapshots, StatusPageAction, StatusPageOptions } from './options.js';
