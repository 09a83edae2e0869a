/** What the visitor does and what the server says, brought together: the state's only writer. */
import { Realtime, type Status } from "../realtime/client";
import type { Clock } from "../realtime/clock";
import { followAnswers } from "../realtime/follow";
import type { Transport } from "../realtime/transport";
import type { Feedback, Message, VisitorConversation } from "../wire";
import { type Api, ignoreRefusal, Refused } from "./api";
import { newId } from "./ids";
import { bySocketOr, GIVE_UP_MS, Outbox } from "./outbox";
import { Patience, problemIn } from "./patience";
import { type Rated, Ratings } from "./ratings";
import { Reader } from "./reader";
import { type Chat, type ChatEvent, fresh, lastSeq, reduce } from "./state";
import type { Keeper, Kept } from "./storage";
import { TypingSigns } from "./typing";

export type ChatOptions = {
  api: Api;
  keeper: Keeper;
  connect: Transport;
  clock: Clock;
  page: () => string;
  isHidden: () => boolean;
  changed: (now: Chat, before: Chat) => void;
};

const DOTS_MS_MAX = 30_000; // then the dots go, whatever the server does
const AWAY_AFTER_MS = 2_000; // shorter gaps are nobody's concern
const SITE_MS_MAX = 60_000; // then whether somebody is online is asked again when it matters

export class ChatClient {
  state: Chat = fresh;
  readonly #realtime: Realtime;
  readonly #reader: Reader;
  readonly #outbox: Outbox;
  readonly #typing: TypingSigns;
  readonly #patience: Patience;
  readonly #ratings: Ratings;
  #leaves: (() => void)[] = [];
  #leaveVisitor: (() => void) | null = null;
  #leaveConversation: (() => void) | null = null;
  #starting: Promise<void> | null = null;
  #token: string | null = null;
  #cancelAway: (() => void) | null = null;

  constructor(private readonly options: ChatOptions) {
    const { api, keeper, clock, connect, page, isHidden } = options;
    const state = (): Chat => this.state;
    const dispatch = (event: ChatEvent): void => this.#dispatch(event);
    const realtime = new Realtime({
      connect,
      clock,
      auth: (renewing) => (renewing ? api.renew(keeper.get()?.token ?? null) : api.session()),
    });
    const stored = (message: Message): void => this.#stored(message);
    const look = (): Promise<void> => this.#findConversation();
    const patience = new Patience(clock);
    this.#realtime = realtime;
    this.#patience = patience;
    this.#ratings = new Ratings(api, patience, dispatch);
    this.#outbox = new Outbox({ patience, api, realtime, page, state, dispatch, stored });
    this.#reader = new Reader({ api, clock, isHidden, state, dispatch, look });
    this.#typing = new TypingSigns(clock, realtime, state, dispatch);
    api.issued = (kept) => this.#useSession(kept);
  }

  /** Gets a session and follows what happens; a failure is in the state, and `start` may be called again. */
  start(): Promise<void> {
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = null;
      if (!(error instanceof Refused)) throw error;
      this.#dispatch({ type: "problem", problem: error.error });
    });
    return this.#starting;
  }

  /** Closes the socket without forgetting anything; `resume` goes on. */
  pause(): void {
    this.#realtime.stop();
    this.#reader.stop();
  }

  resume(): void {
    if (this.state.connection !== "idle") this.#realtime.start();
  }

  /** Opens the socket: there is a conversation to follow, or the visitor is about to begin one. */
  connect(): void {
    if (this.state.connection !== "idle" || !this.state.visitor_id) return;
    this.#realtime.start();
    this.#connection(this.#realtime.status);
  }

  end(): void {
    this.pause();
    this.#reader.end();
    this.#typing.forget();
    for (const leave of this.#leaves) leave();
    this.#leaveVisitor?.();
    this.#leaveConversation?.();
    this.#cancelAway?.();
    this.#patience.end();
  }

  /** The page or the panel is seen again, or the network is back: look at once. */
  wake(): void {
    this.#realtime.retry();
    this.#reader.wake();
    void this.#lookAround();
  }

  /** Another tab wrote the visitor's record: its session is ours, and what it read is read. */
  adopt(): void {
    const kept = this.options.keeper.get();
    const { visitor_id, conversation } = this.state;
    if (!kept || !visitor_id) return;
    this.#useSession(kept);
    if (kept.visitor_id !== visitor_id || !kept.read) return;
    if (!conversation) void this.refresh();
    if (kept.read.conversation_id === conversation?.id) {
      this.#dispatch({ type: "read", seq: kept.read.seq });
    }
  }

  send(text: string): void {
    this.connect();
    this.#outbox.add(text);
    this.#awaitAnswer(this.state.expecting);
    this.#typing.ended();
    this.#reader.hurry();
  }

  retry(client_id: string): void {
    this.#outbox.retry(client_id);
  }

  /** Has an answer that broke off written again, in its place. */
  async again(mid: string): Promise<void> {
    const { api } = this.options;
    const waiting = (): void => this.#dispatch({ type: "again", mid });
    waiting();
    this.#reader.hurry();
    const ask = (): Promise<void> =>
      bySocketOr(this.#realtime, "retry", { mid }, () => api.again(mid));
    try {
      await this.#patience.try(ask, GIVE_UP_MS, waiting);
      this.#awaitAnswer(mid);
    } catch (error) {
      problemIn(error);
      this.#dispatch({ type: "patience", client_id: mid });
      void this.refresh();
    }
  }

  /** What the visitor thinks of an answer; null takes it back. */
  rate(message: Rated, feedback: Feedback | null): void {
    this.#ratings.rate(message, feedback);
  }

  async stop(): Promise<void> {
    const { answer, conversation } = this.state;
    if (!answer || !conversation) return;
    const byHttp = (): Promise<void> => this.options.api.stop(conversation.id);
    await this.#realtime.call("stop", { mid: answer.mid }).catch(byHttp).catch(ignoreRefusal);
  }

  /** Calls a person; resolves to false when that failed. */
  async askPerson(): Promise<boolean> {
    await this.#lookAround();
    try {
      this.#enter(await this.#patience.try(() => this.#callPerson(), 0));
      await this.refresh();
      return true;
    } catch (error) {
      if (error instanceof Refused) return false;
      throw error;
    }
  }

  /** Leaves a conversation that has ended; the next message begins another. */
  startOver(): void {
    this.#enter(null);
  }

  /** What is on screen is read. */
  read(): void {
    const { conversation, read_seq } = this.state;
    const seq = lastSeq(this.state);
    if (!conversation || seq <= read_seq) return;
    this.#dispatch({ type: "read", seq });
    const kept = this.options.keeper.get();
    if (kept) this.options.keeper.set({ ...kept, read: { conversation_id: conversation.id, seq } });
  }

  typing(): void {
    this.#typing.typed();
  }

  /** Reads what is new. */
  refresh(): Promise<void> {
    return this.#reader.read();
  }

  async #callPerson(): Promise<VisitorConversation> {
    const open = this.state.conversation;
    const here = open && open.state !== "closed" ? open : await this.#create();
    return this.options.api.askPerson(here.id);
  }

  async #start(): Promise<void> {
    const { api } = this.options;
    const wait = (retry_after_s: number): void =>
      this.#dispatch({
        type: "problem",
        problem: { code: "too_many_requests", message: "", retry: "backoff", retry_after_s },
      });
    const { site, visitor_id, token } = await this.#patience.try(() => api.session(), 0, wait);
    this.#token = token;
    this.#dispatch({ type: "session", visitor_id, site });
    this.#leaves = [
      this.#realtime.onStatus((status) => this.#connection(status)),
      this.#realtime.on("typing", (typing) => this.#typing.heard(typing)),
      followAnswers(this.#realtime, (frame) => {
        this.#dispatch({ type: "frame", frame });
        if (frame.event === "answer.end") void this.refresh();
        return this.state.answer;
      }),
    ];
    this.#follow(visitor_id);
    await this.#readConversations().catch(ignoreRefusal);
  }

  /** Hears of a conversation that began elsewhere, while none is open here; an open one has its own topic. */
  #follow(visitor_id: string): void {
    this.#leaveVisitor?.();
    const read = (): void => {
      const { conversation } = this.state;
      if (conversation && conversation.state !== "closed") return;
      this.#readConversations().catch(ignoreRefusal);
    };
    const topic = `visitor:${visitor_id}:conversations`;
    this.#leaveVisitor = this.#realtime.join(topic, { signal: read, refetch: read });
  }

  async #readConversations(): Promise<void> {
    const items = await this.options.api.conversations();
    const here = items.find(({ id }) => id === this.state.conversation?.id);
    this.#enter(here ?? this.state.conversation ?? latestOpen(items));
  }

  /** Shows this conversation and follows it. */
  #enter(conversation: VisitorConversation | null): void {
    const before = this.state.conversation?.id;
    const kept = this.options.keeper.get()?.read;
    const read_seq = kept && kept.conversation_id === conversation?.id ? kept.seq : 0;
    this.#dispatch({ type: "conversation", conversation, read_seq });
    if (conversation?.id === before) return;
    this.#followConversation(conversation?.id ?? null);
  }

  #followConversation(id: string | null): void {
    this.#leaveConversation?.();
    this.#leaveConversation = null;
    if (!id) return;
    this.connect();
    const read = (): void => void this.refresh();
    this.#leaveConversation = this.#realtime.join(`conversation:${id}:messages`, {
      signal: ({ event, version }) => {
        const known = event === "message.changed" && (version ?? Infinity) <= this.state.cursor;
        if (!known) read();
      },
      refetch: read,
    });
    read();
  }

  /** Without a socket nobody tells us that another tab began a conversation. */
  async #findConversation(): Promise<void> {
    if (!this.state.visitor_id || this.#realtime.status === "connected") return;
    const open = latestOpen(await this.options.api.conversations());
    if (open) this.#enter(open);
  }

  #stored(message: Message): void {
    const before = this.state.conversation?.id;
    this.#dispatch({ type: "stored", message });
    if (message.conversation_id !== before) this.#followConversation(message.conversation_id);
    else if (this.state.connection !== "connected" || this.state.conversation?.state === "closed") {
      void this.refresh();
    }
  }

  async #create(): Promise<VisitorConversation> {
    const conversation = await this.options.api.createConversation(newId());
    this.#enter(conversation);
    return conversation;
  }

  /** A new token of the same visitor is shown to the server before it ends the socket of the old one. */
  #useSession(kept: Kept): void {
    const { visitor_id, connection } = this.state;
    if (visitor_id === null || kept.token === this.#token) return;
    this.#token = kept.token;
    if (kept.visitor_id === visitor_id) {
      this.#dispatch({ type: "session", visitor_id, site: kept.site });
      void this.#realtime.renew();
      return;
    }
    this.#become(kept);
    if (connection === "idle") return;
    this.#realtime.stop();
    this.#realtime.start();
  }

  /** The session is another visitor's: begin where that one is. */
  #become({ visitor_id, site }: Kept): void {
    this.#dispatch({ type: "session", visitor_id, site });
    this.#followConversation(null);
    this.#follow(visitor_id);
  }

  #connection(status: Status): void {
    this.#dispatch({ type: "connection", status });
    this.#reader.connection(status);
    if (status === "connected") {
      this.#cancelAway?.();
      this.#cancelAway = null;
      void this.#lookAround();
    } else {
      const away = (): void => this.#dispatch({ type: "away" });
      this.#cancelAway ??= this.options.clock.after(AWAY_AFTER_MS, away);
    }
  }

  #awaitAnswer(client_id: string | null): void {
    if (!client_id) return;
    const over = (): void => this.#dispatch({ type: "patience", client_id });
    this.options.clock.after(DOTS_MS_MAX, over);
  }

  /** Whether somebody is online comes with a session: an older one is renewed. */
  async #lookAround(): Promise<void> {
    const { api, keeper, clock } = this.options;
    const kept = keeper.get();
    if (!kept || !this.state.visitor_id || clock.now() - kept.at < SITE_MS_MAX) return;
    await api.renew(kept.token).catch(ignoreRefusal);
  }

  #dispatch(event: ChatEvent): void {
    const before = this.state;
    this.state = reduce(before, event);
    if (this.state !== before) this.options.changed(this.state, before);
  }
}

/** The one to go on with: the last that has not ended. */
function latestOpen(items: VisitorConversation[]): VisitorConversation | null {
  const open = items.filter(({ state }) => state !== "closed");
  return open.sort((a, b) => b.created_at.localeCompare(a.created_at))[0] ?? null;
}
