import { testHosts } from './test-hosts.js';

testHosts('processes');
