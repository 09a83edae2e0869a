import type { Clock } from "@widget/realtime/clock";

/** Time that stands still until a test moves it. */
export class TestClock implements Clock {
  #now = 1_000;
  #due: { at: number; run: () => void }[] = [];

  // Properties, not methods: they are passed on alone.
  now = (): number => this.#now;
  random = (): number => 0.5;

  after = (ms: number, run: () => void): (() => void) => {
    const due = { at: this.#now + ms, run };
    this.#due.push(due);
    return () => {
      this.#due = this.#due.filter((each) => each !== due);
    };
  };

  /** Lets `ms` pass; what is due runs in order, and what that leads to settles. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const next = this.#due.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#due = this.#due.filter((each) => each !== next);
      this.#now = next.at;
      next.run();
    }
    this.#now = end;
    await settled();
  }
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}
