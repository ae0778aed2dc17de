import { testHosts } from './test-hosts.js';

testHosts('typescript');
