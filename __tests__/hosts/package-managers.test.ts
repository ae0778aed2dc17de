import { testHosts } from './test-hosts.js';

testHosts('package-managers');
