/** When to come back after a link was lost: what the server said decides, and how often it was said. */
import type { SystemNotice } from "../wire";
import { backoff, type Clock } from "./clock";
import type { Loss } from "./transport";

const AT_ONCE_EVERY_MS = 60_000; // whoever is sent away more often than this waits
const RETRY_AFTER_S_MAX = 300;

export class Returning {
  /** The next token must be a new one. */
  fresh = false;
  #attempt = 0;
  #refusals = 0;
  #notice: SystemNotice | null = null;
  #atOnceAt = -Infinity;
  #atOnce = 0;

  constructor(private readonly clock: Clock) {}

  /** What the server announced before it ends the link. */
  heard(notice: SystemNotice): void {
    if (notice.retry !== "refetch" || notice.code === "token_expired") this.#notice = notice;
  }

  /** The link works: the next loss is a first one. */
  joined(): void {
    this.#attempt = 0;
    this.#refusals = 0;
    this.fresh = false;
  }

  /** A person asks for another attempt. */
  forgive(): void {
    this.joined();
    this.#notice = null;
    this.#atOnceAt = -Infinity;
  }

  /** The ms to wait before the next attempt, or null: refused for good, stay away. */
  after(lost: Loss): { code: string; wait_ms: number | null } {
    const { code, retry, retry_after_s } = lost.code ? lost : (this.#notice ?? lost);
    this.#notice = null;
    return { code: code ?? "network", wait_ms: this.#wait(code, retry, retry_after_s ?? 0) };
  }

  #wait(code: string | null, retry: Loss["retry"], retry_after_s: number): number | null {
    const within_ms = Math.min(retry_after_s, RETRY_AFTER_S_MAX) * 1_000;
    if (code === "server_restarting") return this.clock.random() * within_ms || this.#later();
    // A token that is refused for good gets one successor; if that is refused too, we stay away.
    this.#refusals = code && retry === "never" ? this.#refusals + 1 : 0;
    if (this.#refusals > 1) return null;
    this.fresh = this.#refusals > 0 || code === "token_expired";
    if (this.fresh || code === "slow_consumer") return this.#now();
    return within_ms + this.#later();
  }

  /** At once the first time, later each time when it happens again soon. */
  #now(): number {
    const now = this.clock.now();
    this.#atOnce = now - this.#atOnceAt < AT_ONCE_EVERY_MS ? this.#atOnce + 1 : 0;
    this.#atOnceAt = now;
    return this.#atOnce === 0 ? 0 : backoff(this.#atOnce, this.clock.random);
  }

  #later(): number {
    return backoff(this.#attempt++, this.clock.random);
  }
}
