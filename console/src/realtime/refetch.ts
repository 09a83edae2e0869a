/** Refetches what changed, soon and not too often: however many signals come, the last one is never lost. */
import { hashKey, type QueryKey } from "@tanstack/react-query";
import type { Clock } from "@widget/realtime/clock";
import { everyMs } from "./pace";

const GATHER_MS = 15; // signals of one transaction come together

/** One reading, from being asked for until it is done. */
type Reading = { done: Promise<void>; finish: () => void };

/** What is known of a key: the reading to come, or the one that runs or ran just now and the one after it. */
type Due = { state: "planned"; reading: Reading } | { state: "running"; next: Reading | null };

export type RefetcherOptions = {
  run: (key: QueryKey) => Promise<unknown>;
  clock: Clock;
  /** Called for each reading that was asked for and is done by another one. */
  throttled?: () => void;
};

export class Refetcher {
  #due = new Map<string, Due>();

  constructor(private readonly options: RefetcherOptions) {}

  /** Reads `key` anew once everything asked for until then has happened; resolves when that is done. */
  ask(key: QueryKey): Promise<void> {
    const due = this.#due.get(hashKey(key));
    if (!due) return this.#plan(key, newReading(), GATHER_MS);
    const planned = due.state === "planned" ? due.reading : due.next;
    if (planned) {
      this.options.throttled?.();
      return planned.done;
    }
    const next = newReading();
    this.#due.set(hashKey(key), { state: "running", next });
    return next.done;
  }

  #plan(key: QueryKey, reading: Reading, wait_ms: number): Promise<void> {
    this.#due.set(hashKey(key), { state: "planned", reading });
    this.options.clock.after(wait_ms, () => void this.#go(key, reading));
    return reading.done;
  }

  async #go(key: QueryKey, reading: Reading): Promise<void> {
    this.#due.set(hashKey(key), { state: "running", next: null });
    // What failed is told by whoever shows it; the next reading is due all the same.
    await Promise.allSettled([this.options.run(key)]);
    reading.finish();
    this.options.clock.after(everyMs(key), () => this.#rested(key));
  }

  #rested(key: QueryKey): void {
    const due = this.#due.get(hashKey(key));
    this.#due.delete(hashKey(key));
    if (due?.state === "running" && due.next) void this.#plan(key, due.next, 0);
  }
}

function newReading(): Reading {
  let finish: () => void = () => undefined;
  const done = new Promise<void>((resolve) => (finish = resolve));
  return { done, finish };
}
