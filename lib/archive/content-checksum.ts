import xxhash from 'xxhash-wasm';

/** Content_Checksum (RFC 8878 §3.1.1): the low 4 bytes of the content's XXH64 with seed 0. */
export interface ContentChecksum {
  update(bytes: Uint8Array): void;
  digest(): number;
}

export type NewContentChecksum = () => ContentChecksum;

let loaded: Promise<NewContentChecksum> | undefined;

/** Once in each thread: the module keeps memory for the longest piece of an `update`. */
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
