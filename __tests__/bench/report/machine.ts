import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { execute } from '../../support/run.js';
import { nginxVersion } from '../native/nginx.js';

/** The machine and programs that the figures depend on. */
export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGigabytes: number;
  readonly os: string;
  readonly node: string;
  readonly git: string;
  readonly zstd: string;
  readonly tar: string;
  readonly nginx: string;
}

export async function describeMachine(): Promise<Machine> {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryGigabytes: Number((totalmem() / 1e9).toFixed(1)),
    os: `${type()} ${release()}`,
    node: process.version,
    git: await firstLine('git', '--version'),
    zstd: await firstLine('zstd', '--version'),
    tar: await firstLine('tar', '--version'),
    nginx: (await nginxVersion()) ?? 'not installed',
  };
}

async function firstLine(command: string, ...args: string[]): Promise<string> {
  return (await execute(command, args)).stdout.split('\n')[0]?.trim() ?? '';
}
