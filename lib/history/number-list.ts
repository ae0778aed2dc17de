/** A growing list of 32-bit numbers, compact enough for all objects of a repository. */
export class NumberList {
  #numbers = new Uint32Array(64);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  at(index: number): number {
    const number = this.#numbers[index];
    if (number === undefined || index >= this.#length) throw new RangeError(`no element ${index}`);
    return number;
  }

  push(number: number): void {
    if (this.#length === this.#numbers.length) {
      const larger = new Uint32Array(this.#length * 2);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[this.#length++] = number;
  }

  pop(): number | undefined {
    return this.#length === 0 ? undefined : this.#numbers[--this.#length];
  }
}
