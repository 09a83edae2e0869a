/** Remembers the last ids it was shown: up to `max`, then the newer half. */
export class Seen {
  #ids = new Set<string>();

  constructor(private readonly max = 1_000) {}

  /** True the first time an id is shown. */
  add(id: string): boolean {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > this.max) {
      this.#ids = new Set([...this.#ids].slice(-this.max / 2));
    }
    return true;
  }

  get size(): number {
    return this.#ids.size;
  }
}
