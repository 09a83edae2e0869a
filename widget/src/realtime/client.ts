/**
 * One socket a page, many listeners over it.
 *
 * Reading state and following it is one path: a listener is told to `refetch` when its topic is joined and
 * again when a gap cannot be closed; in between it gets `signal`s, each at most once. After a lost
 * connection the client asks for what came after its cursor, so a gap is never silent. Without a connection
 * listeners are told to `refetch` every few seconds.
 */
import type { BroadcastEvent, ServerEvents, Signal, SubscribeReply, SystemNotice } from "../wire";
import { CallError } from "./call";
import { backoff, browserClock, type Clock } from "./clock";
import { type Auth, Connection } from "./connection";
import { browserPage, type Page, type PageEvent } from "./page";
import { Poll } from "./poll";
import { type Presence, Rooms } from "./presence";
import { safely } from "./safely";
import { Book, type Stats, type Status } from "./stats";
import { type Joining, type TopicListener, Topics } from "./topics";
import type { Transport } from "./transport";

export { CallError } from "./call";
export type { Auth, Credentials } from "./connection";
export type { Presence } from "./presence";
export type { Stats, Status } from "./stats";
export type { TopicListener, Why } from "./topics";

export type RealtimeOptions = {
  connect: Transport;
  /**
   * A token to connect with; `fresh` when the last one was refused or ends. May reject: it is asked again, but
   * after two errors in a row with `retry: "never"` the client stays away (`failed`).
   */
  auth: Auth;
  clock?: Clock;
  page?: Page;
};

const POLL_AFTER_MS = 1_000; // and the poll's own 3 s: shorter gaps close themselves
const UNPAUSE_EVERY_MS = 60_000;
const nothing = (): void => undefined;

export class Realtime {
  #flushing = false;
  #refused = 0; // calls to subscribe in a row
  #isMute = false; // this server knows no reports
  #unwatch = nothing;
  #cancelReport: (() => void) | null = null;
  #cancelSync: (() => void) | null = null;
  #cancelUnpause: (() => void) | null = null;
  #statusListeners = new Set<(status: Status) => void>();
  #eventListeners = new Map<string, Set<(payload: never) => void>>();
  readonly #clock: Clock;
  readonly #page: Page;
  readonly #connection: Connection;
  readonly #topics: Topics;
  readonly #rooms: Rooms;
  readonly #book: Book;
  readonly #poll: Poll;

  constructor({ connect, auth, clock = browserClock, page = browserPage }: RealtimeOptions) {
    this.#clock = clock;
    this.#page = page;
    this.#topics = new Topics(clock.now);
    this.#book = new Book(clock);
    this.#connection = new Connection({
      connect,
      auth,
      clock,
      opened: () => this.#opened(),
      event: (name, payload) => this.#receive(name, payload),
      status: (status) => this.#turned(status),
      failed: (code) => this.#failed(code),
    });
    this.#poll = new Poll(clock, page.hidden, () =>
      this.#topics.poll(this.status === "connected" ? "paused" : "all"),
    );
    this.#rooms = new Rooms({
      join: (topic, listener) => this.join(topic, listener),
      hears: (topic) => this.#topics.has(topic),
      isAsked: (topic) => this.#topics.isAsked(topic),
      call: (event, payload) => this.call(event, payload),
      clock,
    });
  }

  get status(): Status {
    return this.#connection.status;
  }

  onStatus(listener: (status: Status) => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  /** Status, events heard, last error; the same object until something changes. */
  stats(): Stats {
    return this.#book.stats;
  }

  /** Tells changes of `stats`: of status and error at once, of counts at most four times a second. */
  onStats(listener: (stats: Stats) => void): () => void {
    return this.#book.onChange(listener);
  }

  /** Hears an event of the server that is no signal: answer frames, typing, presence, system notices. */
  on<E extends Exclude<keyof ServerEvents, "signal">>(
    event: E,
    listener: (payload: ServerEvents[E]) => void,
  ): () => void {
    const listeners = this.#eventListeners.get(event) ?? new Set();
    this.#eventListeners.set(event, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  start(): void {
    if (this.#connection.isRunning) return;
    this.#unwatch = this.#page.watch((event) => this.#pageSays(event));
    this.#connection.start();
    this.#pollSoon();
  }

  /** Closes the socket and stays away; topics and cursor are kept for the next `start`. */
  stop(): void {
    this.#unwatch();
    this.#unwatch = nothing;
    this.#connection.stop();
    this.#poll.stop();
    this.#book.end();
  }

  /** Tries at once instead of waiting: the network is back, the page is shown again. */
  retry(): void {
    this.#connection.retry();
  }

  /** Ends the connection there is, if any, and makes another: a person asks for it. */
  reconnect(): void {
    if (!this.#connection.isRunning) return this.start();
    this.#connection.reconnect();
    this.#pollSoon();
  }

  /** Somebody waits for news: where the connection was lost or topics are paused, look for it soon and often. */
  hurry(): void {
    const isLost = ["disconnected", "suspended", "failed"].includes(this.status);
    if (!isLost && this.#topics.paused.length === 0) return;
    this.#poll.stop();
    if (this.#connection.isRunning) this.#poll.start();
  }

  /** Listens to a topic until the returned function is called; the last to leave unsubscribes it. */
  join(topic: string, listener: TopicListener): () => void {
    const stay = this.#topics.add(topic, listener);
    if (!stay) {
      this.#failed("too_many_topics");
      listener.refused?.("too_many_topics");
      return nothing;
    }
    if (this.status !== "connected") this.#pollSoon();
    this.#flush();
    return () => {
      this.#topics.remove(topic, stay);
      this.#flush();
    };
  }

  /** Who is on a topic, and our own sign there. Joins the topic; `end` the result when it is not needed. */
  presence(topic: string): Presence {
    return this.#rooms.open(topic);
  }

  /** Tells whoever hears the topic something that is kept nowhere; rejects with CallError. */
  async broadcast(topic: string, event: string, payload: object): Promise<void> {
    await this.call("broadcast", { topic, event, payload });
  }

  /** Hears what others broadcast on a topic; joins it. What is said while we are away is not heard. */
  onBroadcast(topic: string, listener: (broadcast: BroadcastEvent) => void): () => void {
    const leave = this.join(topic, { signal: nothing, refetch: nothing });
    const stop = this.on("broadcast", (each) => void (each.topic === topic && listener(each)));
    return () => {
      stop();
      leave();
    };
  }

  /** Asks the server and waits; rejects with CallError. */
  call<Reply>(event: string, payload: unknown, timeout_ms?: number): Promise<Reply> {
    return this.#connection.call(event, payload, timeout_ms);
  }

  /** The token was replaced: shows the new one to the server before it ends this socket. */
  renew(fresh = false): Promise<void> {
    return this.#connection.renew(fresh);
  }

  /** Notes refetches that were asked for and not made, because another one serves them too. */
  countThrottled(count = 1): void {
    this.#book.throttled(count);
    this.#planReport();
  }

  // ── What the connection says ──────────────────────────────────────────────────────────────────

  #opened(): void {
    this.#poll.stop();
    this.#topics.unjoin();
    this.#rooms.doubt();
    this.#planReport();
    this.#flush();
  }

  #turned(status: Status): void {
    this.#book.status(status);
    if (status !== "connected") this.#down();
    for (const listener of [...this.#statusListeners]) safely(() => listener(status));
  }

  #down(): void {
    this.#cancelReport?.();
    this.#cancelSync?.();
    this.#cancelUnpause?.();
    this.#cancelReport = this.#cancelSync = this.#cancelUnpause = null;
    if (this.#connection.isRunning) this.#pollSoon();
  }

  #failed(code: string): void {
    this.#book.error(code);
    this.#planReport();
  }

  #receive(name: string, payload: unknown): void {
    this.#book.event();
    if (name === "signal") this.#topics.receive(payload as Signal);
    if (name === "presence") this.#rooms.hear(payload as ServerEvents["presence"]);
    if (name === "system") this.#told(payload as SystemNotice);
    for (const listener of [...(this.#eventListeners.get(name) ?? [])]) {
      safely(() => listener(payload as never));
    }
  }

  /** What the server does to this socket: it ends it, or wants us to ask anew what we may hear. */
  #told(notice: SystemNotice): void {
    this.#failed(notice.code);
    this.#connection.heard(notice);
    if (notice.retry !== "refetch" || notice.code === "token_expired") return;
    this.#topics.forgetCursor();
    this.#topics.unjoin();
    this.#flush();
  }

  #pageSays(event: PageEvent): void {
    if (event === "offline") return this.#connection.lose("offline");
    this.#connection.retry();
    if (this.status === "connected") void this.#connection.probe();
    if (event === "online") return;
    this.#poll.hurry();
    this.#topics.focus();
  }

  // ── Topics ────────────────────────────────────────────────────────────────────────────────────

  /** Joins and leaves of one turn go out together; leaving and coming back costs nothing. */
  #flush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      void this.#sync();
    });
  }

  async #sync(): Promise<void> {
    const left = this.#topics.takeLeft();
    if (this.status !== "connected") return;
    const current = this.#connection.watch();
    const joining = this.#topics.takeNew();
    if (!joining) {
      this.#connection.settled();
      this.#watchPaused();
    }
    try {
      if (left.length > 0) await this.call("unsubscribe", { topics: left });
      if (!joining || !current()) return;
      const { names: topics, cursor } = joining;
      const asked = cursor ? { topics, cursor } : { topics };
      const reply = await this.call<SubscribeReply>("subscribe", asked);
      if (!current()) return;
      this.#refused = 0;
      this.#connection.settled();
      this.#topics.joined(joining, reply);
      this.#watchPaused();
    } catch (error) {
      if (current()) this.#notJoined(error as CallError, joining);
    }
  }

  /** A link that does not answer is no link; a server that is busy is asked again, one that refuses is not. */
  #notJoined({ code, retry, retry_after_s = 0 }: CallError, joining: Joining | null): void {
    if (code === "timeout") return this.#connection.lose();
    if (!joining) return;
    if (retry === "never") return this.#topics.refuse(joining, code);
    this.#topics.putBack(joining);
    const wait_ms = retry_after_s * 1_000 + backoff(this.#refused++, this.#clock.random);
    this.#cancelSync?.();
    this.#cancelSync = this.#clock.after(wait_ms, () => this.#flush());
  }

  /** Topics of a kind that is switched off are polled, and asked for again once in a while. */
  #watchPaused(): void {
    const { paused } = this.#topics;
    this.#book.paused(paused);
    if (paused.length === 0) {
      this.#cancelUnpause?.();
      this.#cancelUnpause = null;
      return this.#poll.stop();
    }
    this.#poll.start();
    this.#cancelUnpause ??= this.#clock.after(UNPAUSE_EVERY_MS, () => {
      this.#cancelUnpause = null;
      this.#topics.unpause();
      this.#flush();
    });
  }

  #pollSoon(): void {
    if (this.#connection.isRunning && !this.#topics.isEmpty) this.#poll.start(POLL_AFTER_MS);
  }

  // ── Telling the server how it goes ────────────────────────────────────────────────────────────

  #planReport(): void {
    if (this.#isMute || this.#book.isClean || this.status !== "connected") return;
    this.#cancelReport ??= this.#clock.after(this.#book.reportIn_ms, () => void this.#report());
  }

  async #report(): Promise<void> {
    this.#cancelReport = null;
    if (this.#isMute) return;
    try {
      await this.#connection.call("report", this.#book.takeReport());
    } catch (error) {
      // What was not taken is lost: it is a courtesy, and must not pile up.
      this.#isMute = (error as CallError).code === "unknown_event";
    }
  }
}
