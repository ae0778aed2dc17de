import xxhash from 'xxhash-wasm';

/**
 * The Content_Checksum of a zstd frame (RFC 8878 §3.1.1): the low 4 bytes of the XXH64 of its
 * content, with seed 0.
 */
export interface ContentChecksum {
  update(bytes: Uint8Array): void;
  digest(): number;
}

export type NewContentChecksum = () => ContentChecksum;

let loaded: Promise<NewContentChecksum> | undefined;

/** Loaded once in each thread: the module keeps memory for the longest piece of an `update`. */
export function loadContentChecksum(): Promise<NewContentChecksum> {
  loaded ??= xxhash().then(({ create64 }) => () => {
    const hash = create64(0n);
    return {
      update: (bytes) => void hash.update(bytes),
      digest: () => Number(BigInt.asUintN(32, hash.digest())),
    };
  });
  return loaded;
}
