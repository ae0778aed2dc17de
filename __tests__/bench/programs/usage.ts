import { readFileSync } from 'node:fs';
import { hasCode } from '../../../lib/errors.js';

/** The resources that this process and all its threads have used since the start. */
export interface Usage {
  /** User and system. */
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly peakRssBytes: number;
}

export function processUsage(): Usage {
  const { user, system } = process.cpuUsage();
  return {
    cpuSeconds: (user + system) / 1e6,
    rssBytes: process.memoryUsage.rss(),
    peakRssBytes: peakRssBytes(),
  };
}

/** `VmHWM` of proc(5): what `getrusage` says may be the peak of the process that forked this one. */
function peakRssBytes(): number {
  try {
    const kibibytes = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    if (kibibytes !== undefined) return Number(kibibytes) * 1024;
  } catch (error) {
    if (!hasCode(error) || error.code !== 'ENOENT') throw error;
  }
  return process.resourceUsage().maxRSS * 1024;
}
