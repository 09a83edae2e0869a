/**
 * One socket a page, many listeners over it.
 *
 * Reading state and following it is one path: a listener is told to `refetch` when its topic is joined and
 * again when a gap cannot be closed; in between it gets `signal`s, each at most once. After a lost
 * connection the client asks for what came after its cursor, so a gap is never silent.
 */
import type { ApiError, ServerEvents, Signal, SubscribeReply } from "../wire";
import { backoff, browserClock, type Clock } from "./clock";
import { Topics, type TopicListener } from "./topics";
import type { Link, Loss, Transport } from "./transport";

/** `disconnected`: trying again · `suspended`: for more than two minutes · `failed`: refused for good. */
export type Status = "connecting" | "connected" | "disconnected" | "suspended" | "failed";

export type Credentials = { token: string; expires_at?: string | null };

export type RealtimeOptions = {
  connect: Transport;
  /** A token to connect with; `fresh` when the last one was refused or ends. May reject: it is tried again. */
  auth: (fresh: boolean) => Promise<Credentials>;
  clock?: Clock;
};

const CALL_MS_MAX = 10_000;
const SUSPENDED_AFTER_MS = 120_000;
const RENEW_AT = 0.8; // of what is left of the token's life
const RENEW_MS_MIN = 15_000; // however wrong this machine's clock is
const TIMER_MS_MAX = 2 ** 31 - 1;
const NETWORK: Loss = { code: null, retry: "backoff", refused: false };

/** A call that failed: the server's code, or our own `timeout`, `not_connected`. */
export class CallError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly retry: ApiError["retry"] = "backoff",
    readonly retry_after_s: number | undefined = undefined,
  ) {
    super(message);
  }
}

export class Realtime {
  #status: Status = "connecting";
  #link: Link | null = null;
  #running = false;
  #generation = 0; // of links: whatever an older one still says is ignored
  #attempt = 0;
  #refusals = 0;
  #lostAt: number;
  #cancelRetry: (() => void) | null = null;
  #cancelRenew: (() => void) | null = null;
  #flushing = false;
  #topics = new Topics();
  #statusListeners = new Set<(status: Status) => void>();
  #eventListeners = new Map<string, Set<(payload: never) => void>>();
  readonly #clock: Clock;

  constructor(private readonly options: RealtimeOptions) {
    this.#clock = options.clock ?? browserClock;
    this.#lostAt = this.#clock.now();
  }

  get status(): Status {
    return this.#status;
  }

  onStatus(listener: (status: Status) => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  /** Hears an event of the server that is no signal: answer frames, typing, system notices. */
  on<E extends Exclude<keyof ServerEvents, "signal">>(
    event: E,
    listener: (payload: ServerEvents[E]) => void,
  ): () => void {
    const listeners = this.#eventListeners.get(event) ?? new Set();
    this.#eventListeners.set(event, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#attempt = 0;
    this.#refusals = 0;
    this.#lostAt = this.#clock.now();
    this.#setStatus("connecting");
    void this.#open();
  }

  /** Closes the socket and stays away; topics and cursor are kept for the next `start`. */
  stop(): void {
    this.#running = false;
    this.#drop();
    this.#setStatus("disconnected");
  }

  /** Tries at once instead of waiting: the network is back, the page is shown again. */
  retry(): void {
    if (!this.#running || this.#link || this.#status === "connecting") return;
    this.#refusals = 0;
    this.#attempt = 0;
    void this.#open();
  }

  /** Listens to a topic until the returned function is called; the last to leave unsubscribes it. */
  join(topic: string, listener: TopicListener): () => void {
    if (!this.#topics.add(topic, listener)) {
      listener.refused?.("too_many_topics");
      return () => undefined;
    }
    this.#flush();
    return () => {
      this.#topics.remove(topic, listener);
      this.#flush();
    };
  }

  /** Asks the server and waits; rejects with CallError. */
  async call<Reply>(event: string, payload: unknown, timeout_ms = CALL_MS_MAX): Promise<Reply> {
    const link = this.#status === "connected" ? this.#link : null;
    if (!link) throw new CallError("not_connected", "There is no connection.");
    let reply: unknown;
    try {
      reply = await link.call(event, payload, timeout_ms);
    } catch {
      throw new CallError("timeout", "The server did not answer in time.");
    }
    const error = (reply as { error?: ApiError } | null)?.error;
    if (error) throw new CallError(error.code, error.message, error.retry, error.retry_after_s);
    return reply as Reply;
  }

  /** The token was replaced: shows the new one to the server before it ends this socket. */
  async renew(fresh = false): Promise<void> {
    const generation = this.#generation;
    if (this.#status !== "connected") return;
    try {
      const { token } = await this.options.auth(fresh);
      if (generation !== this.#generation) return;
      const reply = await this.call<{ expires_at: string }>("renew", { token });
      if (generation === this.#generation) this.#planRenewal({ token, ...reply });
    } catch {
      // Costs nothing yet: when the token ends the server closes, and we connect anew.
      return;
    }
  }

  async #open(): Promise<void> {
    this.#drop();
    const generation = this.#generation;
    const current = (): boolean => this.#running && generation === this.#generation;
    let credentials: Credentials;
    try {
      credentials = await this.options.auth(this.#refusals > 0);
    } catch {
      if (current()) this.#lost(NETWORK);
      return;
    }
    if (!current()) return;
    this.#link = this.options.connect(credentials.token, {
      open: () => current() && this.#opened(credentials),
      event: (name, payload) => current() && this.#receive(name, payload),
      lost: (loss) => current() && this.#lost(loss),
    });
  }

  #opened(credentials: Credentials): void {
    this.#topics.unjoin();
    this.#setStatus("connected");
    this.#planRenewal(credentials);
    this.#flush();
  }

  #lost(loss: Loss): void {
    if (this.#status === "connected") this.#lostAt = this.#clock.now();
    this.#drop();
    // A token that is refused for good gets one successor; if that is refused too, we stay away.
    const final = loss.refused && loss.retry === "never";
    this.#refusals = final ? this.#refusals + 1 : 0;
    if (this.#refusals > 1) {
      this.#setStatus("failed");
      return;
    }
    const away = this.#clock.now() - this.#lostAt > SUSPENDED_AFTER_MS;
    this.#setStatus(away ? "suspended" : "disconnected");
    const wait = final ? 0 : backoff(this.#attempt++, this.#clock.random);
    this.#cancelRetry = this.#clock.after(wait, () => void this.#open());
  }

  #drop(): void {
    this.#generation++;
    this.#cancelRetry?.();
    this.#cancelRenew?.();
    this.#cancelRetry = this.#cancelRenew = null;
    this.#link?.close();
    this.#link = null;
  }

  #setStatus(status: Status): void {
    if (this.#status === status) return;
    this.#status = status;
    for (const listener of [...this.#statusListeners]) listener(status);
  }

  #planRenewal({ expires_at }: Credentials): void {
    if (!expires_at) return;
    const left = Date.parse(expires_at) - this.#clock.now();
    const wait = Math.min(Math.max(left * RENEW_AT, RENEW_MS_MIN), TIMER_MS_MAX);
    this.#cancelRenew?.();
    this.#cancelRenew = this.#clock.after(wait, () => void this.renew(true));
  }

  /** Joins and leaves of one turn go out together; leaving and coming back costs nothing. */
  #flush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      void this.#syncTopics();
    });
  }

  async #syncTopics(): Promise<void> {
    const left = this.#topics.takeLeft();
    if (this.#status !== "connected") return;
    const generation = this.#generation;
    const current = (): boolean => generation === this.#generation;
    const joining = this.#topics.takeNew();
    if (!joining) this.#attempt = 0;
    try {
      if (left.length > 0) await this.call("unsubscribe", { topics: left });
      if (!joining || !current()) return;
      const { names: topics, cursor } = joining;
      const reply = await this.call<SubscribeReply>(
        "subscribe",
        cursor ? { topics, cursor } : { topics },
      );
      if (!current()) return;
      this.#attempt = 0;
      this.#topics.joined(joining, reply);
    } catch {
      // A link that does not answer is no link.
      if (current()) this.#lost(NETWORK);
    }
  }

  #receive(name: string, payload: unknown): void {
    if (name === "signal") this.#topics.receive(payload as Signal);
    for (const listener of [...(this.#eventListeners.get(name) ?? [])]) listener(payload as never);
  }
}
