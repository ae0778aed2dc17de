/** The URL of a repository's snapshot. @param base URL of the snapshots' mount, relative to the page. */
export function snapshotUrl(name: string, base: string): string {
  const mount = new URL(base, document.baseURI);
  const path = name.split('/').map((segment) => encodeURIComponent(segment).replaceAll('%3A', ':'));
  mount.pathname = `${mount.pathname.replace(/\/$/, '')}/${path.join('/')}/snapshot.tar.zst`;
  // The command quotes the URL, and URLs may have this character.
  return mount.href.replaceAll("'", '%27');
}

/** The shell command that restores a repository into a new directory. */
export function restoreCommand(name: string, base: string): string {
  const last = name.slice(name.lastIndexOf('/') + 1);
  const safe = last.replace(/[^\w.-]+/g, '-').replace(/^[-.]+/, '');
  const directory = safe === '' ? 'repository' : safe;
  const url = snapshotUrl(name, base);
  const quoted = /^[\w./:@%+,=-]+$/.test(url) ? url : `'${url}'`;
  return `mkdir ${directory} && curl -sSf ${quoted} | zstd -dc | tar -xpf - -C ${directory}`;
}
