import { testHosts } from './test-hosts.js';

testHosts('test-runners');
