import { serverCases } from './server-cases.js';

serverCases('fauxqs');
