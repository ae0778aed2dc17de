/*
 * How cachew makes a snapshot, in bash; `$1` is the URL of the repository. To be run in an empty
 * directory.
 */

export const MIRROR = 'git clone --quiet --mirror "$1" mirror.git';

export const FETCH = 'git -C mirror.git fetch --quiet --prune origin';

export const SNAPSHOT = `
git clone --quiet mirror.git work
git -C work remote set-url origin "$1"
tar -cpf - -C work . | pzstd -q -c -p4 > snapshot.tar.zst
rm -rf work`;
