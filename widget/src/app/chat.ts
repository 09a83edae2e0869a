/** What the visitor does and what the server says, brought together: the state's only writer. */
import { Realtime, type Status } from "../realtime/client";
import type { Clock } from "../realtime/clock";
import { followAnswers } from "../realtime/follow";
import type { Transport } from "../realtime/transport";
import type { Message, VisitorConversation } from "../wire";
import { type Api, ignoreRefusal, Refused } from "./api";
import { newId } from "./ids";
import { Outbox } from "./outbox";
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

const PATIENCE_MS = 30_000; // then the dots go, whatever the server does

export class ChatClient {
  state: Chat = fresh;
  readonly #realtime: Realtime;
  readonly #reader: Reader;
  readonly #outbox: Outbox;
  readonly #typing: TypingSigns;
  #leaves: (() => void)[] = [];
  #leaveVisitor: (() => void) | null = null;
  #leaveConversation: (() => void) | null = null;
  #starting: Promise<void> | null = null;
  #token: string | null = null;

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
    this.#realtime = realtime;
    this.#outbox = new Outbox({ clock, api, realtime, page, state, dispatch, stored });
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
    this.#outbox.end();
  }

  /** The page is seen again, or the network is back: look at once. */
  wake(): void {
    this.#realtime.retry();
    this.#reader.wake();
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
    const client_id = this.state.expecting;
    if (client_id) {
      this.options.clock.after(PATIENCE_MS, () => this.#dispatch({ type: "patience", client_id }));
    }
    this.#typing.ended();
    this.#reader.hurry();
  }

  retry(client_id: string): void {
    this.#outbox.retry(client_id);
  }

  async stop(): Promise<void> {
    const { answer, conversation } = this.state;
    if (!answer || !conversation) return;
    const byHttp = (): Promise<void> => this.options.api.stop(conversation.id);
    await this.#realtime.call("stop", { mid: answer.mid }).catch(byHttp).catch(ignoreRefusal);
  }

  /** Calls a person; resolves to false when that failed. */
  async askPerson(): Promise<boolean> {
    try {
      const open = this.state.conversation;
      const here = open && open.state !== "closed" ? open : await this.#create();
      const conversation = await this.options.api.askPerson(here.id);
      this.#enter(conversation);
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

  async #start(): Promise<void> {
    const { site, visitor_id, token } = await this.options.api.session();
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
