import { testHosts } from './test-hosts.js';

testHosts('node-flags');
