import { posix } from 'node:path';
import type { Metadata } from '../../lib/stores/store.js';
import type { StoreFault } from './store-faults.js';

/** The key that a store with a fault uses. */
export function keptKey(key: string, fault: StoreFault | undefined): string {
  switch (fault) {
    case 'lower-cases keys':
      return key.toLowerCase();
    case 'decodes keys':
      return key.replace(/%2f/gi, '/').replaceAll('%20', ' ');
    case 'normalizes keys':
      return key.normalize();
    case 'resolves keys as paths':
      return posix.join('/', key);
    case 'shortens keys':
      return key.slice(0, 255);
    default:
      return key;
  }
}

/** The metadata that a store with a fault stores. */
export function keptMetadata(metadata: Metadata, fault: StoreFault | undefined): Metadata {
  if (fault === 'keeps metadata that belong to the caller') return metadata;
  if (fault === 'adds metadata') return { ...metadata, added: 'x' };
  const pairs = Object.entries(metadata).flatMap(([name, value]): [string, string][] => {
    switch (fault) {
      case 'forgets metadata':
        return [];
      case 'drops empty metadata':
        return value === '' ? [] : [[name, value]];
      case 'trims metadata':
        return [[name, value.trim()]];
      case 'normalizes metadata':
        return [[name, value.normalize()]];
      case 'lower-cases metadata names':
        return [[name.toLowerCase(), value]];
      case 'shortens metadata':
        return [[name, value.slice(0, 2048)]];
      case 'unescapes metadata':
        return [[name, value.replaceAll('&amp;', '&')]];
      default:
        return [[name, value]];
    }
  });
  return Object.fromEntries(pairs);
}
