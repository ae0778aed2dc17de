import { byId, setText } from './dom.js';
import { visible } from './format.js';

/** Asks whether a repository is to be removed. */
export class RemovalQuestion {
  readonly #dialog = byId('confirm', HTMLDialogElement);
  readonly #name = byId('confirm-name', HTMLElement);
  #answer: (isToBeRemoved: boolean) => void = () => {};

  constructor() {
    this.#dialog.addEventListener('close', () => {
      // The event comes late: by then, the next question may be open.
      if (!this.#dialog.open) this.#answer(this.#dialog.returnValue === 'remove');
    });
  }

  /** @param name of the repository. */
  ask(name: string): Promise<boolean> {
    this.#answer(false);
    setText(this.#name, visible(name));
    this.#dialog.returnValue = 'cancel';
    this.#dialog.showModal();
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }
}
