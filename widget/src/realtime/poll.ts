/** Asking again and again while nobody tells us: every 3 s, backing off to 30 s, slower while the page is hidden. */
import type { Clock } from "./clock";

const FIRST_MS = 3_000;
const SLOWEST_MS = 30_000;
const SLOWER = 1.5;
const HIDDEN_FACTOR = 10;

export class Poll {
  #wait = FIRST_MS;
  #cancel: (() => void) | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly isHidden: () => boolean,
    private readonly ask: () => Promise<unknown>,
  ) {}

  /** Begins after `wait_ms` more; does nothing while it runs. */
  start(wait_ms = 0): void {
    if (this.#cancel) return;
    this.#wait = FIRST_MS;
    this.#plan(wait_ms);
  }

  /** Something happens: be quick again. */
  hurry(): void {
    if (!this.#cancel) return;
    this.stop();
    this.start();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #plan(more_ms: number): void {
    // A little at random: whoever lost a server together does not ask together.
    const slower = (this.isHidden() ? HIDDEN_FACTOR : 1) * (1 + this.clock.random() / 2);
    const wait = this.#wait * slower + more_ms;
    const cancel = this.clock.after(wait, () => {
      this.#wait = Math.min(SLOWEST_MS, this.#wait * SLOWER);
      void this.ask().finally(() => {
        if (this.#cancel === cancel) this.#plan(0);
      });
    });
    this.#cancel = cancel;
  }
}
