/**
 * @needs nginx
 */
import { testHosts } from './test-hosts.js';

testHosts('proxies');
