import type { Clock } from "../src/realtime/clock";

/** A clock that moves when told to; what falls due runs in order. */
export class FakeClock implements Clock {
  #now = 1_000_000;
  #timers: { at: number; run: () => void }[] = [];
  chance = 0;

  now = (): number => this.#now;
  random = (): number => this.chance;

  after = (ms: number, run: () => void): (() => void) => {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  };

  /** When the next timer is due, in ms from now; null without one. */
  get next_ms(): number | null {
    return this.#timers.length ? Math.min(...this.#timers.map(({ at }) => at)) - this.#now : null;
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const due = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((each) => each !== due);
      this.#now = due.at;
      due.run();
    }
    this.#now = end;
    await settle();
  }
}

/** Lets everything come to rest that waits for no clock. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
}
