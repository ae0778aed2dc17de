import xxhash from 'xxhash-wasm';

/** XXH64 with seed 0, whose low 4 bytes are a Content_Checksum (RFC 8878 §3.1.1). */
export interface ContentChecksum {
  update(bytes: Uint8Array): unknown;
  digest(): bigint;
}

export type NewContentChecksum = () => ContentChecksum;

let loaded: Promise<NewContentChecksum> | undefined;

/** Once in each thread: the module keeps memory for the longest piece of an `update`. */
export function loadContentChecksum(): Promise<NewContentChecksum> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<NewContentChecksum> {
  const { create64 } = await xxhash();
  return () => create64(0n);
}
