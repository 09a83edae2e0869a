/** How the connection is and was: what a badge shows, and what is reported to the server once in a while. */
import type { Clock } from "./clock";

/** `disconnected`: trying again · `suspended`: for more than two minutes · `failed`: refused for good. */
export type Status = "connecting" | "connected" | "disconnected" | "suspended" | "failed";

export type Stats = {
  status: Status;
  /** Events heard since the page was loaded. */
  events: number;
  /** When the last one was, in ms since 1970. */
  lastEventAt: number | null;
  lastError: { code: string; at: number } | null;
  /** Topics that are switched off on the server for now, so that they are polled. */
  paused: readonly string[];
};

export type Report = { throttled: number; errors: Record<string, number>; status: Status };

const CODES_MAX = 19; // and the rest as one
const CODE_CHARS_MAX = 40;
const COUNT_MAX = 1_000;
const REPORT_EVERY_MS = 60_000;
const REPORT_AFTER_MS = 5_000;
const TELL_EVERY_MS = 250;
const LADDER: Status[] = ["connected", "connecting", "disconnected", "suspended", "failed"];

export class Book {
  #stats: Stats = {
    status: "connecting",
    events: 0,
    lastEventAt: null,
    lastError: null,
    paused: [],
  };
  #listeners = new Set<(stats: Stats) => void>();
  #telling: (() => void) | null = null;
  #errors: Record<string, number> = {};
  #throttled = 0;
  #worst: Status = "connected";
  #reportedAt = -Infinity;

  constructor(private readonly clock: Clock) {}

  /** The same object until something changes. */
  get stats(): Stats {
    return this.#stats;
  }

  /** Tells changes: of status and error at once, of counts at most four times a second. */
  onChange(listener: (stats: Stats) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  status(status: Status): void {
    if (LADDER.indexOf(status) > LADDER.indexOf(this.#worst)) this.#worst = status;
    this.#stats = { ...this.#stats, status };
    this.#tell();
  }

  event(): void {
    const { events } = this.#stats;
    this.#stats = { ...this.#stats, events: events + 1, lastEventAt: this.clock.now() };
    if (this.#listeners.size > 0) {
      this.#telling ??= this.clock.after(TELL_EVERY_MS, () => this.#tell());
    }
  }

  error(code: string): void {
    const short = code.slice(0, CODE_CHARS_MAX);
    const known = short in this.#errors || Object.keys(this.#errors).length < CODES_MAX;
    const name = known ? short : "other";
    this.#errors[name] = Math.min(COUNT_MAX, (this.#errors[name] ?? 0) + 1);
    this.#stats = { ...this.#stats, lastError: { code, at: this.clock.now() } };
    this.#tell();
  }

  paused(paused: readonly string[]): void {
    if (String(paused) === String(this.#stats.paused)) return;
    this.#stats = { ...this.#stats, paused };
    this.#tell();
  }

  throttled(count: number): void {
    this.#throttled = Math.min(COUNT_MAX, this.#throttled + count);
  }

  /** Whether there is nothing to report. */
  get isClean(): boolean {
    return this.#throttled === 0 && Object.keys(this.#errors).length === 0;
  }

  /** In how many ms a report may be sent. At random: whoever was lost together does not report together. */
  get reportIn_ms(): number {
    const left = this.#reportedAt + REPORT_EVERY_MS - this.clock.now();
    return Math.max(left, REPORT_EVERY_MS * this.clock.random(), REPORT_AFTER_MS);
  }

  /** What happened since the last report; `status` is the worst there was. */
  takeReport(): Report {
    const report = { throttled: this.#throttled, errors: this.#errors, status: this.#worst };
    this.#errors = {};
    this.#throttled = 0;
    this.#worst = this.#stats.status;
    this.#reportedAt = this.clock.now();
    return report;
  }

  /** Nothing more is told. */
  end(): void {
    this.#telling?.();
    this.#telling = null;
  }

  #tell(): void {
    this.end();
    for (const listener of [...this.#listeners]) listener(this.#stats);
  }
}
