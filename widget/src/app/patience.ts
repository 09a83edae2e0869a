/** Trying again what was lost on the way, or came while the server was busy. */
import { type CallError, isCallError } from "../realtime/call";
import type { Clock } from "../realtime/clock";
import type { ApiError } from "../wire";
import { Refused } from "./api";

const AGAIN_MS = 1_500;
const BUSY_S_MAX = 300; // longer waits, and more of them, are the visitor's to decide on

export class Patience {
  over = false;

  constructor(private readonly clock: Clock) {}

  /** Nothing is tried again after this. */
  end(): void {
    this.over = true;
  }

  /**
   * Does `work` until it succeeds, is refused for good, or went without an answer for `lost_ms_max`. A busy server
   * is left alone for as long as it says; `waiting` is told each second how many are left, last of all 0.
   */
  async try<T>(
    work: () => Promise<T>,
    lost_ms_max: number,
    waiting?: (seconds: number) => void,
  ): Promise<T> {
    const began = this.clock.now();
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const { retry, retry_after_s: busy_s = 0 } = problemIn(error);
        const spent = this.clock.now() - began + busy_s * 1_000;
        const most = busy_s ? BUSY_S_MAX * 1_000 : lost_ms_max;
        if (retry !== "backoff" || spent >= most) throw error;
        if (busy_s) await this.#countDown(busy_s, waiting);
        else await this.#pause(AGAIN_MS);
        if (this.over) throw error;
      }
    }
  }

  async #countDown(seconds: number, tell?: (seconds: number) => void): Promise<void> {
    const end = this.clock.now() + seconds * 1_000;
    for (let left = seconds; left > 0 && !this.over;) {
      tell?.(left);
      await this.#pause(1_000);
      left = Math.ceil((end - this.clock.now()) / 1_000);
    }
    tell?.(0);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((done) => void this.clock.after(ms, done));
  }
}

/** What the server said; anything else is a bug and goes on. */
export function problemIn(error: unknown): CallError | ApiError {
  if (isCallError(error)) return error;
  if (error instanceof Refused) return error.error;
  throw error;
}
