/** `test`, for what Windows does not have: modes, symlinks for everyone, all characters in names. */
export const onPosix = process.platform === 'win32' ? test.skip : test;
