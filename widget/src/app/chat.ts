/** What the visitor does and what the server says, brought together: the state's only writer. */
import { CallError } from "../realtime/call";
import type { Clock } from "../realtime/clock";
import { Poll } from "../realtime/poll";
import type { Status } from "../realtime/stats";
import type { Feedback, Message, VisitorConversation } from "../wire";
import { type Api, ignoreRefusal, Refused } from "./api";
import { newId } from "./ids";
import type { OpenLive } from "./lazy";
import type { Live } from "./live";
import { bySocketOr, GIVE_UP_MS, Outbox } from "./outbox";
import { Patience, problemIn } from "./patience";
import { type Rated, Ratings } from "./ratings";
import { Reader } from "./reader";
import { type Chat, type ChatEvent, fresh, lastSeq, reduce } from "./state";
import type { Keeper, Kept } from "./storage";

export type ChatOptions = {
  api: Api;
  keeper: Keeper;
  openLive: OpenLive;
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
  /** Null until there was something to follow, and its code is here. */
  #live: Live | null = null;
  /** Reads, and tries to get that code, while it could not be had. */
  readonly #without: Poll;
  readonly #reader: Reader;
  readonly #outbox: Outbox;
  readonly #patience: Patience;
  readonly #ratings: Ratings;
  #starting: Promise<void> | null = null;
  #token: string | null = null;
  #cancelAway: (() => void) | null = null;
  #resting = false;
  #ended = false;
  #viewing = false;
  #lookedAt = 0;

  constructor(private readonly options: ChatOptions) {
    const { api, clock, page, isHidden } = options;
    const state = (): Chat => this.state;
    const dispatch = (event: ChatEvent): void => this.#dispatch(event);
    const stored = (message: Message): void => this.#stored(message);
    const look = (): Promise<void> => this.#findConversation();
    const spared = (): void => this.#live?.realtime.countThrottled();
    const call = this.#call;
    const patience = new Patience(clock);
    this.#patience = patience;
    this.#ratings = new Ratings(api, patience, dispatch);
    this.#outbox = new Outbox({ patience, api, call, page, state, dispatch, stored });
    this.#reader = new Reader({ api, clock, state, dispatch, look, spared });
    this.#without = new Poll(clock, isHidden, () => this.#load().catch(() => this.refresh()));
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
    this.#resting = true;
    this.#live?.realtime.stop();
    this.#without.stop();
    this.#reader.stop();
  }

  resume(): void {
    this.#resting = false;
    if (this.#live) this.#live.realtime.start();
    else if (this.state.connection !== "idle") this.#without.start();
  }

  /** Opens the socket: there is a conversation to follow, or the visitor is about to begin one. */
  connect(): void {
    if (this.state.connection !== "idle" || !this.state.visitor_id) return;
    this.#connection("connecting");
    this.#load().catch(() => {
      this.#connection("disconnected");
      if (!this.#resting) this.#without.start();
    });
  }

  end(): void {
    this.#ended = true;
    this.pause();
    this.#reader.end();
    this.#live?.end();
    this.#cancelAway?.();
    this.#patience.end();
  }

  /** The page or the panel is seen again: look at once. */
  wake(): void {
    this.#live?.realtime.retry();
    this.#hurry();
    this.#reader.wake();
    void this.#lookAround();
  }

  /** Whether the visitor sees the conversation. */
  view(viewing: boolean): void {
    if (viewing === this.#viewing) return;
    this.#viewing = viewing;
    this.#live?.view(viewing);
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
    this.#live?.sent();
    this.#hurry();
  }

  retry(client_id: string): void {
    this.#outbox.retry(client_id);
  }

  /** Has an answer that broke off written again, in its place. */
  async again(mid: string): Promise<void> {
    const { api } = this.options;
    const waiting = (): void => this.#dispatch({ type: "again", mid });
    waiting();
    this.#hurry();
    const ask = (): Promise<void> => bySocketOr(this.#call, "retry", { mid }, () => api.again(mid));
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
    await this.#call("stop", { mid: answer.mid }).catch(byHttp).catch(ignoreRefusal);
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
    this.#live?.typed();
  }

  /** Reads what is new. */
  refresh(): Promise<void> {
    return this.#reader.read();
  }

  readonly #call = <Reply>(event: string, payload: unknown): Promise<Reply> =>
    this.#live
      ? this.#live.realtime.call<Reply>(event, payload)
      : Promise.reject(new CallError("not_connected", ""));

  /** The visitor waits for something: do not wait for a socket that was lost. */
  #hurry(): void {
    this.#live?.realtime.hurry();
    this.#without.hurry();
  }

  /** Fetches the code of the socket, and follows with it. */
  async #load(): Promise<void> {
    const live = await this.options.openLive({
      auth: (fresh) => this.#authenticate(fresh),
      state: () => this.state,
      dispatch: (event) => this.#dispatch(event),
      status: (status) => this.#connection(status),
      readConversation: () => this.refresh(),
      readConversations: () => this.#readConversations().catch(ignoreRefusal),
      readAvailability: () => void this.#lookAround(0),
    });
    // Whoever is in a hurry may have fetched it twice.
    if (this.#ended || this.#live) return live.end();
    this.#without.stop();
    this.#live = live;
    live.view(this.#viewing);
    live.follow();
    if (!this.#resting) live.realtime.start();
  }

  #authenticate(fresh: boolean): Promise<Kept> {
    const { api, keeper } = this.options;
    return fresh ? api.renew(keeper.get()?.token ?? null) : api.session();
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
    await this.#readConversations().catch(ignoreRefusal);
  }

  async #readConversations(): Promise<void> {
    const items = await this.options.api.conversations();
    const here = items.find(({ id }) => id === this.state.conversation?.id);
    this.#enter(here ?? this.state.conversation ?? latestOpen(items));
  }

  /** Shows this conversation and follows it. */
  #enter(conversation: VisitorConversation | null): void {
    const kept = this.options.keeper.get()?.read;
    const read_seq = kept && kept.conversation_id === conversation?.id ? kept.seq : 0;
    this.#dispatch({ type: "conversation", conversation, read_seq });
  }

  /** Without a socket nobody tells us that another tab began a conversation. */
  async #findConversation(): Promise<void> {
    const { visitor_id, connection } = this.state;
    if (!visitor_id || connection === "connected") return;
    const open = latestOpen(await this.options.api.conversations());
    if (open) this.#enter(open);
  }

  #stored(message: Message): void {
    const before = this.state.conversation?.id;
    this.#dispatch({ type: "stored", message });
    if (message.conversation_id !== before) return;
    if (this.state.connection !== "connected" || this.state.conversation?.state === "closed") {
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
    const { visitor_id } = this.state;
    if (visitor_id === null || kept.token === this.#token) return;
    this.#token = kept.token;
    this.#dispatch({ type: "session", visitor_id: kept.visitor_id, site: kept.site });
    const realtime = this.#live?.realtime;
    if (kept.visitor_id === visitor_id) void realtime?.renew();
    else realtime?.reconnect();
  }

  #connection(status: Status): void {
    this.#dispatch({ type: "connection", status });
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

  /** Whether somebody is online: read when nobody tells us and what we know is older. */
  async #lookAround(older_ms = SITE_MS_MAX): Promise<void> {
    const { api, keeper, clock } = this.options;
    const { visitor_id, connection, site } = this.state;
    const isTold = connection === "connected" && site?.availability.topic !== undefined;
    const known = Math.max(keeper.get()?.at ?? Infinity, this.#lookedAt);
    if (!visitor_id || (isTold && older_ms > 0) || clock.now() - known < older_ms) return;
    this.#lookedAt = clock.now();
    try {
      const availability = await api.availability();
      if (visitor_id === this.state.visitor_id)
        this.#dispatch({ type: "availability", availability });
    } catch (error) {
      ignoreRefusal(error);
    }
  }

  #dispatch(event: ChatEvent): void {
    const before = this.state;
    this.state = reduce(before, event);
    if (this.state === before) return;
    const { visitor_id, conversation, site } = this.state;
    const isOther = conversation?.id !== before.conversation?.id;
    if (isOther || visitor_id !== before.visitor_id || site !== before.site) this.#live?.follow();
    if (isOther && conversation) {
      this.connect();
      void this.refresh();
    }
    this.options.changed(this.state, before);
  }
}

/** The one to go on with: the last that has not ended. */
function latestOpen(items: VisitorConversation[]): VisitorConversation | null {
  const open = items.filter(({ state }) => state !== "closed");
  return open.sort((a, b) => b.created_at.localeCompare(a.created_at))[0] ?? null;
}
