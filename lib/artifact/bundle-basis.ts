import type { Head } from '../git/refs.js';

/** The line of a bundle that says where it leads, which stands for all that bundles of a base follow from. */
export function bundleBasis(head: Head): string {
  return `${head.oid ?? ''} ${head.kind === 'branch' ? head.ref : 'HEAD'}`;
}
