/** The one socket: had, kept, lost and had again. Knows nothing of what travels over it but the token. */
import type { ApiError, SystemNotice } from "../wire";
import { CallError } from "./call";
import type { Clock } from "./clock";
import { Returning } from "./returning";
import type { Status } from "./stats";
import type { Link, Loss, Transport } from "./transport";

export type Credentials = { token: string; expires_at?: string | null };

export type Auth = (fresh: boolean) => Promise<Credentials>;

export type ConnectionOptions = {
  connect: Transport;
  auth: Auth;
  clock: Clock;
  /** The link is there: tell it everything anew. */
  opened(): void;
  event(name: string, payload: unknown): void;
  status(status: Status): void;
  /** A code of the server's or our own, for the record. */
  failed(code: string): void;
};

const CALL_MS_MAX = 10_000;
const PROBE_MS_MAX = 4_000;
const PROBE_EVERY_MS = 10_000;
const AUTH_MS_MAX = 20_000;
const SUSPENDED_AFTER_MS = 120_000;
const RENEW_AT = 0.8; // of what is left of the token's life
const RENEW_MS_MIN = 15_000; // however wrong this machine's clock is
const TIMER_MS_MAX = 2 ** 31 - 1;
const NETWORK: Loss = { code: null, retry: "backoff", refused: false };

export class Connection {
  status: Status = "connecting";
  #link: Link | null = null;
  #running = false;
  /** Between two attempts, or away for good. */
  #resting = false;
  #generation = 0; // of links: whatever an older one still says is ignored
  #lostAt: number;
  #probedAt = -Infinity;
  #cancelRetry: (() => void) | null = null;
  #cancelRenew: (() => void) | null = null;
  readonly #returning: Returning;

  constructor(private readonly options: ConnectionOptions) {
    this.#returning = new Returning(options.clock);
    this.#lostAt = options.clock.now();
  }

  get isRunning(): boolean {
    return this.#running;
  }

  start(): void {
    this.#running = true;
    this.#begin();
  }

  stop(): void {
    this.#running = false;
    this.#drop();
    this.#setStatus("disconnected");
  }

  /** Tries at once instead of waiting. */
  retry(): void {
    if (!this.#running || !this.#resting) return;
    this.#returning.forgive();
    void this.#open();
  }

  /** Ends the link there is and makes another. */
  reconnect(): void {
    this.#running = true;
    this.#begin();
  }

  /** Whether this link is still the one there is: what was asked over another is void. */
  watch(): () => boolean {
    const generation = this.#generation;
    return () => this.#running && generation === this.#generation;
  }

  /** Everything is joined: the next loss is a first one. */
  settled(): void {
    this.#returning.joined();
  }

  /** What the server says of this link. */
  heard(notice: SystemNotice): void {
    this.#returning.heard(notice);
  }

  /** A link that does not answer, or of which the browser says that it is gone, is no link. */
  lose(code: string | null = null): void {
    if (this.#running && this.status !== "failed") this.#lost({ ...NETWORK, code });
  }

  /** Asks the server for a sign of life: a link that slept may be dead without knowing. */
  async probe(): Promise<void> {
    const { clock } = this.options;
    if (clock.now() - this.#probedAt < PROBE_EVERY_MS) return;
    this.#probedAt = clock.now();
    const current = this.watch();
    try {
      await this.call("unsubscribe", { topics: [] }, PROBE_MS_MAX);
    } catch (error) {
      if ((error as CallError).code === "timeout" && current()) this.lose();
    }
  }

  async call<Reply>(event: string, payload: unknown, timeout_ms = CALL_MS_MAX): Promise<Reply> {
    const link = this.status === "connected" ? this.#link : null;
    if (!link) throw new CallError("not_connected", "There is no connection.");
    try {
      return await answer<Reply>(link.call(event, payload, timeout_ms));
    } catch (error) {
      const { code } = error as CallError;
      this.options.failed(code);
      // One slow answer is no dead link, but it may be one.
      if (code === "timeout") void this.probe();
      throw error;
    }
  }

  /** Shows the server a new token before it ends this link for the old one. */
  async renew(fresh: boolean): Promise<void> {
    const current = this.watch();
    if (this.status !== "connected") return;
    try {
      const { token } = await this.options.auth(fresh);
      if (!current()) return;
      const reply = await this.call<{ expires_at: string }>("renew", { token });
      if (current()) this.#planRenewal({ token, ...reply });
    } catch {
      // Costs nothing yet: when the token ends the server closes, and we connect anew.
      return;
    }
  }

  #begin(): void {
    this.#returning.forgive();
    this.#lostAt = this.options.clock.now();
    this.#setStatus("connecting");
    void this.#open();
  }

  async #open(): Promise<void> {
    this.#drop();
    const current = this.watch();
    let credentials: Credentials;
    try {
      credentials = await this.#authenticate();
    } catch (error) {
      if (current()) this.#lost(lossIn(error));
      return;
    }
    if (!current()) return;
    this.#link = this.options.connect(credentials.token, {
      open: () => current() && this.#opened(credentials),
      event: (name, payload) => current() && this.options.event(name, payload),
      lost: (loss) => current() && this.#lost(loss),
    });
  }

  #authenticate(): Promise<Credentials> {
    let cancel = (): void => undefined;
    const late = new Promise<never>((_, reject) => {
      cancel = this.options.clock.after(AUTH_MS_MAX, () => reject(new Error("late")));
    });
    const asked = this.options.auth(this.#returning.fresh);
    return Promise.race([asked, late]).finally(() => cancel());
  }

  #opened(credentials: Credentials): void {
    this.#setStatus("connected");
    this.#planRenewal(credentials);
    this.options.opened();
  }

  #lost(loss: Loss): void {
    const { clock } = this.options;
    if (this.status === "connected") this.#lostAt = clock.now();
    this.#drop();
    this.#resting = true;
    const { code, wait_ms } = this.#returning.after(loss);
    this.options.failed(code);
    if (wait_ms === null) return this.#setStatus("failed");
    this.#cancelRetry = clock.after(wait_ms, () => void this.#open());
    const isLong = clock.now() - this.#lostAt > SUSPENDED_AFTER_MS;
    this.#setStatus(isLong ? "suspended" : "disconnected");
  }

  #drop(): void {
    this.#generation++;
    this.#resting = false;
    this.#cancelRetry?.();
    this.#cancelRenew?.();
    this.#cancelRetry = this.#cancelRenew = null;
    this.#link?.close();
    this.#link = null;
  }

  #setStatus(status: Status): void {
    if (this.status === status) return;
    this.status = status;
    this.options.status(status);
  }

  #planRenewal({ expires_at }: Credentials): void {
    if (!expires_at) return;
    const left = Date.parse(expires_at) - this.options.clock.now();
    const wait = Math.min(Math.max(left * RENEW_AT, RENEW_MS_MIN), TIMER_MS_MAX);
    this.#cancelRenew?.();
    this.#cancelRenew = this.options.clock.after(wait, () => void this.renew(true));
  }
}

/** The reply to a call; rejects with CallError. */
async function answer<Reply>(called: Promise<unknown>): Promise<Reply> {
  let reply: unknown;
  try {
    reply = await called;
  } catch {
    throw new CallError("timeout", "The server did not answer in time.");
  }
  const error = (reply as { error?: ApiError } | null)?.error;
  if (error) throw new CallError(error.code, error.message, error.retry, error.retry_after_s);
  return reply as Reply;
}

/** A token that is refused for good is a refusal; one that did not come is tried again. */
function lossIn(error: unknown): Loss {
  const told = error as Partial<ApiError> & { error?: Partial<ApiError> };
  const { code, retry } = told.error ?? told;
  return retry === "never" && code ? { code, retry, refused: true } : NETWORK;
}
