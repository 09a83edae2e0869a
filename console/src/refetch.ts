/** Refetches what changed, soon and not too often: however many signals come, the last one is never lost. */
import { hashKey, type QueryKey } from "@tanstack/react-query";
import type { Clock } from "@widget/realtime/clock";

const GATHER_MS = 15; // signals of one transaction come together
const EVERY_MS_MIN = 400;

type Due = "planned" | "running" | "again";

export class Refetcher {
  #due = new Map<string, Due>();

  constructor(
    private readonly run: (key: QueryKey) => Promise<unknown>,
    private readonly clock: Clock,
  ) {}

  /** Reads `key` anew once everything asked for until then has happened. */
  ask(key: QueryKey): void {
    const due = this.#due.get(hashKey(key));
    if (due === "running") this.#due.set(hashKey(key), "again");
    if (due === undefined) this.#plan(key, GATHER_MS);
  }

  #plan(key: QueryKey, wait_ms: number): void {
    this.#due.set(hashKey(key), "planned");
    this.clock.after(wait_ms, () => void this.#go(key));
  }

  async #go(key: QueryKey): Promise<void> {
    this.#due.set(hashKey(key), "running");
    try {
      await this.run(key);
    } finally {
      this.clock.after(EVERY_MS_MIN, () => this.#done(key));
    }
  }

  #done(key: QueryKey): void {
    const again = this.#due.get(hashKey(key)) === "again";
    this.#due.delete(hashKey(key));
    if (again) this.#plan(key, 0);
  }
}
