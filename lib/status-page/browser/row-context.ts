import type { StatusPageAction } from '../messages.js';

/** What a row needs of the page. */
export interface RowContext {
  readonly snapshotsUrl: string;
  readonly actions: readonly StatusPageAction[];
  /** Begins an action, after a question if it deletes something. */
  act(action: StatusPageAction, name: string): void;
  /** Copies a text to the clipboard, and says so on the button. */
  copy(text: string, button: HTMLElement): void;
}
