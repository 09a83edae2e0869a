/** A server in memory: it answers like the real one, and a test may act in it behind the console's back. */
import type { LinkEvents, Transport } from "@widget/realtime/transport";
import type { Member } from "@widget/wire";
import type { Crawl, Document } from "../src/knowledge/wire";
import type { Conversation, LiveAnswer, Message, Signal, View } from "../src/wire";
import { Assistant } from "./assistant";
import { Given } from "./given";
import { Library } from "./library";
import { ANA, conversation, message, signal } from "./made";

type Refusal = { status: number; code: string; message: string; retry: "never" | "backoff" | "refetch" };

type Announced = { topic: string; state: Member["state"] | null };

const PAGE = 200;

export class Server {
  me = ANA;
  role: "owner" | "agent" = "owner";
  signedIn = true;
  conversations = new Map<string, Conversation>();
  messages: Message[] = [];
  library = new Library();
  given = new Given();
  assistant = new Assistant();
  answer: LiveAnswer | null = null;
  /** Of the next messages sent, how many replies get lost on their way back. */
  repliesLost = 0;
  orgs = [{ id: "o1", slug: "acme", name: "Acme" }];
  /** What the next calls of this path's end are refused with. */
  refusals = new Map<string, Refusal>();
  /** Every call, as "GET /path?query". */
  calls: string[] = [];
  /** What was sent over the socket. */
  told: { event: string; payload: unknown }[] = [];
  /** Whether there is a socket to be had. */
  down = false;
  /** The code with which every socket is refused for good. */
  refused: string | null = null;
  /** What `subscribe` says of a topic, where it is not "ok". */
  codes = new Map<string, string>();
  /** Who is there, by topic; whoever the console announces is added. */
  present = new Map<string, Member[]>();
  #failures = new Map<string, Refusal>();
  #link: LinkEvents | null = null;
  #missed: Signal[] = [];

  /** Refuses every call of a path with this end, reading too, until it is mended. */
  fail(end: string, refusal: Refusal): void {
    this.#failures.set(end, refusal);
  }

  mend(): void {
    this.#failures.clear();
  }

  /** Stands in for `fetch`. */
  fetch = async (request: Request): Promise<Response> => {
    const { pathname, search } = new URL(request.url);
    const path = pathname.replace("/api/v1", "");
    this.calls.push(`${request.method} ${path}${search}`);
    const refusals = request.method === "POST" ? [...this.refusals, ...this.#failures] : this.#failures;
    for (const [end, { status, ...error }] of refusals) {
      if (path.endsWith(end)) return json({ error }, status);
    }
    if (!this.signedIn && path !== "/staff/login") {
      return json({ error: { code: "not_signed_in", message: "Sign in.", retry: "never" } }, 401);
    }
    return this.#answer(request, path, new URLSearchParams(search));
  };

  /** Stands in for the socket. */
  transport: Transport = (_token, events) => {
    queueMicrotask(() => {
      if (this.down) return events.lost({ code: null, retry: "backoff", refused: false });
      if (this.refused) return events.lost({ code: this.refused, retry: "never", refused: true });
      this.#link = events;
      events.open();
    });
    return {
      call: async (event, payload) => {
        this.told.push({ event, payload });
        if (event === "subscribe") return this.#subscribed(payload as { topics: string[] });
        if (event === "presence") return this.#announced(payload as Announced);
        if (event === "unsubscribe") this.#left(payload as { topics: string[] });
        return {};
      },
      close: () => {
        this.#link = null;
      },
    };
  };

  /** Everything of one name that was sent over the socket. */
  toldOf(event: string): unknown[] {
    return this.told.filter((each) => each.event === event).map(({ payload }) => payload);
  }

  #subscribed({ topics }: { topics: string[] }) {
    const missed = this.#missed;
    this.#missed = [];
    for (const topic of topics) if (this.present.has(topic)) this.#tellWho(topic);
    return {
      topics: Object.fromEntries(topics.map((topic) => [topic, this.codes.get(topic) ?? "ok"])),
      epoch: "e",
      cur: "1",
      missed,
      reset: false,
    };
  }

  #announced({ topic, state }: Announced) {
    const { id, name } = this.me;
    const others = this.#membersOf(topic).filter(({ key }) => key !== `staff:${id}`);
    this.present.set(topic, state ? [...others, { key: `staff:${id}`, name, state }] : others);
    return { members: this.#membersOf(topic) };
  }

  #left({ topics }: { topics: string[] }): void {
    for (const topic of topics) if (this.present.has(topic)) this.#announced({ topic, state: null });
  }

  /** Somebody comes to a topic, or is in another state there, and whoever listens is told. */
  enter(topic: string, key: string, name: string, state: Member["state"] = {}): void {
    const joined = [{ key, name, state }];
    const others = this.#membersOf(topic).filter((each) => each.key !== key);
    this.present.set(topic, [...others, ...joined]);
    this.emit("presence", { topic, joined, left: [], state: null });
  }

  leave(topic: string, key: string): void {
    this.present.set(
      topic,
      this.#membersOf(topic).filter((each) => each.key !== key),
    );
    this.emit("presence", { topic, joined: [], left: [key], state: null });
  }

  #membersOf(topic: string): Member[] {
    return this.present.get(topic) ?? [];
  }

  #tellWho(topic: string): void {
    this.#link?.event("presence", { topic, joined: [], left: [], state: this.#membersOf(topic) });
  }

  /** Sends an event; without a connection a signal is kept for the catch-up. */
  emit(event: string, payload: unknown): void {
    if (event.startsWith("answer.")) this.#write(event, payload as LiveAnswer);
    if (this.#link) this.#link.event(event, payload);
    else if (event === "signal") this.#missed.push(payload as Signal);
  }

  drop(): void {
    const link = this.#link;
    this.#link = null;
    link?.lost({ code: null, retry: "backoff", refused: false });
  }

  /** Changes a conversation and says so. */
  put(changed: Conversation): void {
    this.conversations.set(changed.id, changed);
    this.emit(
      "signal",
      signal("org:o1:inbox", "conversation.changed", { ids: { conversation_id: changed.id } }),
    );
  }

  /** Stores a message and says so. */
  store(text: string, changed: Partial<Message> = {}): Message {
    const stored = this.#add(text, changed);
    const topic = `conversation:${stored.conversation_id}:${stored.visibility === "public" ? "messages" : "staff"}`;
    this.emit("signal", signal(topic, "message.changed", { version: stored.rev }));
    return stored;
  }

  /** Keeps the running answer as the frames tell it, so that who reads it finds the same. */
  #write(event: string, { mid, attempt, seq, text }: LiveAnswer): void {
    if (event === "answer.start") this.answer = { mid, attempt, seq: 0, text: "" };
    else if (event === "answer.end") this.answer = null;
    else this.answer = { mid, attempt, seq, text: (this.answer?.text ?? "") + text };
  }

  /** Changes a document and says so. */
  learn(changed: Document): void {
    const { library } = this;
    library.documents = library.documents.map((each) => (each.id === changed.id ? changed : each));
    this.emit("signal", signal("org:o1:knowledge", "document.changed", { ids: { document_id: changed.id } }));
  }

  /** Changes a website and says so. */
  crawled(changed: Crawl): void {
    const { library } = this;
    library.crawls = library.crawls.map((each) => (each.id === changed.id ? changed : each));
    this.emit("signal", signal("org:o1:knowledge", "crawl.changed", { ids: { crawl_id: changed.id } }));
  }

  #add(text: string, changed: Partial<Message>): Message {
    const rev = this.messages.length + 1;
    const stored = message({ id: `m${rev}`, rev, text, ...changed });
    this.messages.push(stored);
    const owner =
      this.conversations.get(stored.conversation_id) ?? conversation({ id: stored.conversation_id });
    this.conversations.set(owner.id, { ...owner, rev });
    return stored;
  }

  async #answer(request: Request, path: string, query: URLSearchParams): Promise<Response> {
    const [, room, id = "", what] = path.split("/");
    switch (room) {
      case "staff":
        return this.#staff(id, request.headers.get("Chatbot-Org"));
      case "conversations":
        if (request.headers.get("Chatbot-Org") !== "acme") return json({ items: [], next: null });
        if (!id) return json(this.#list((query.get("view") ?? "all") as View));
        if (what === "messages" && request.method === "POST") {
          const said = await this.#say(request, id);
          if (this.repliesLost-- > 0) throw new TypeError("Failed to fetch");
          return json(said, 201);
        }
        if (what === "messages") return json(this.#transcript(id, Number(query.get("after"))));
        return json(this.conversations.get(id));
      case "answers":
        return this.#given(request, id, what ?? "", query);
      case "org":
        return this.assistant.answer(request, path.split("/").slice(2));
      case "knowledge":
        return this.library.answer(request, path.split("/").slice(2), query);
      case "sites":
        if (id) return this.library.site(id, (await request.json()) as { labels: string[] });
        return json({ items: this.library.sites, next: null });
      default:
        return json({ error: { code: "not_found", message: "Nothing here.", retry: "never" } }, 404);
    }
  }

  async #given(request: Request, mid: string, what: string, query: URLSearchParams): Promise<Response> {
    const body: unknown = await request.json().catch(() => undefined);
    if (body !== undefined) this.given.sent.push(body);
    if (what === "affected") return json(this.given.page(query.get("after")));
    if (what === "notices") return json(this.given.tell(body as { message_ids: string[] }));
    const before = this.messages.find(({ id }) => id === mid);
    if (what === "review" && before) {
      const verdict = request.method === "DELETE" ? null : (body as { kind: "checked"; text?: string });
      return json(this.#revise(this.given.reviewed(before, verdict)));
    }
    if (what === "trace" && this.given.trace) return json(this.given.trace);
    return json({ error: { code: "not_found", message: "There is no such answer.", retry: "never" } }, 404);
  }

  /** Changes a stored message and says so. */
  revise(changed: Message): void {
    const { conversation_id, rev } = this.#revise(changed);
    const topic = `conversation:${conversation_id}:messages`;
    this.emit("signal", signal(topic, "message.changed", { version: rev }));
  }

  #revise(changed: Message): Message {
    const rev = Math.max(...this.messages.map((each) => each.rev)) + 1;
    const stored = { ...changed, rev };
    this.messages = [...this.messages.filter(({ id }) => id !== changed.id), stored];
    return stored;
  }

  #staff(what: string, slug: string | null): Response {
    const account = { id: "a1", email: "ana@example.com" };
    const orgs = this.orgs.map((each) => ({ ...each, role: this.role }));
    switch (what) {
      case "login":
        this.signedIn = true;
        return json({ account, orgs });
      case "orgs":
        return json({ items: orgs, next: null });
      case "me":
        return json({
          account,
          staff: { ...this.me, role: this.role },
          org: this.orgs.find((each) => each.slug === slug),
        });
      default:
        return json({ token: "t", expires_at: new Date(Date.now() + 60_000).toISOString() });
    }
  }

  #list(view: View) {
    const states = { waiting: "waiting", mine: "staff", bot: "bot", closed: "closed", all: null };
    const items = [...this.conversations.values()].filter(({ id, state }) =>
      view === "disliked" ? this.#isDisliked(id) : !states[view] || states[view] === state,
    );
    return { items, next: null };
  }

  #isDisliked(id: string): boolean {
    const own = this.messages.filter((each) => each.conversation_id === id);
    return own.some(({ feedback, review }) => feedback?.value === -1 && review === null);
  }

  #transcript(id: string, after: number) {
    const items = this.messages
      .filter((each) => each.conversation_id === id && each.rev > after)
      .slice(0, PAGE);
    return {
      items,
      answer: this.answer,
      conversation: this.conversations.get(id),
      cursor: items.at(-1)?.rev ?? after,
    };
  }

  async #say(request: Request, conversation_id: string): Promise<Message> {
    const body = (await request.json()) as Pick<Message, "client_id" | "text" | "visibility">;
    const before = this.messages.find(({ client_id }) => client_id === body.client_id);
    if (before) return before;
    const note = body.visibility === "internal";
    const place = note ? { seq: null, after_seq: this.messages.length } : {};
    return this.#add(body.text, {
      ...body,
      ...place,
      conversation_id,
      author: { kind: "staff", ...this.me },
    });
  }
}

function json(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}
