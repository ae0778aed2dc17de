/** The server's clock: that of the visitor may differ. */
let offset = 0;

/** Takes the server's time, in milliseconds since the epoch. */
export function setClock(serverNow: number): void {
  offset = serverNow - Date.now();
}

export function serverNow(): number {
  return Date.now() + offset;
}
