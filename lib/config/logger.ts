/** The methods of a pino-like logger that the library calls. `console` has them, too. */
export interface Logger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
