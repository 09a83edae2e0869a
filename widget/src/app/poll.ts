/** Asking again and again while nobody tells us: every 3 s, backing off, slower while the page is hidden. */
import type { Clock } from "../realtime/clock";

const FIRST_MS = 3_000;
const SLOWEST_MS = 30_000;
const HIDDEN_FACTOR = 10;

export class Poll {
  #wait = FIRST_MS;
  #cancel: (() => void) | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly isHidden: () => boolean,
    private readonly ask: () => Promise<unknown>,
  ) {}

  start(): void {
    if (this.#cancel) return;
    this.#wait = FIRST_MS;
    this.#plan();
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

  #plan(): void {
    const cancel = this.clock.after(this.#wait * (this.isHidden() ? HIDDEN_FACTOR : 1), () => {
      this.#wait = Math.min(SLOWEST_MS, this.#wait * 1.5);
      void this.ask().finally(() => {
        if (this.#cancel === cancel) this.#plan();
      });
    });
    this.#cancel = cancel;
  }
}
