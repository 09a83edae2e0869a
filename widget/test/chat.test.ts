// @vitest-environment node
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Api } from "../src/app/api";
import { ChatClient } from "../src/app/chat";
import type { OpenLive } from "../src/app/lazy";
import { Live } from "../src/app/live";
import { isThinking } from "../src/app/state";
import { Keeper, type Store } from "../src/app/storage";
import { by, conversation, site } from "./build";
import { FakeClock, settle } from "./clock";
import { FakePage } from "./page";
import { FakeService } from "./service";
import { signal } from "./transport";

class FakeStore implements Store {
  items: Record<string, string> = {};
  getItem = (name: string): string | null => this.items[name] ?? null;
  setItem = (name: string, value: string): void => void (this.items[name] = value);
  removeItem = (name: string): void => void delete this.items[name];
}

let clock: FakeClock;
let open: OpenLive;
let page: FakePage;
let service: FakeService;
let store: FakeStore;

function client(): ChatClient {
  const keeper = new Keeper("pk", store);
  const address = (): string => "https://host.test/page";
  const api = new Api({
    origin: "https://chat.test",
    key: "pk",
    keeper,
    lang: "en",
    page: address,
    now: clock.now,
  });
  return new ChatClient({
    api,
    keeper,
    openLive: (hooks) => open(hooks),
    clock,
    page: address,
    isHidden: page.hidden,
    changed: () => undefined,
  });
}

async function online(chat: ChatClient): Promise<void> {
  await chat.start();
  chat.connect();
  await settle();
  service.socket.open();
  await clock.advance(0);
}

beforeEach(() => {
  clock = new FakeClock();
  service = new FakeService(clock);
  store = new FakeStore();
  page = new FakePage();
  open = async (hooks) => new Live(service.socket.transport, clock, hooks, page);
  vi.stubGlobal("fetch", service.fetch);
});

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("the session", () => {
  test("nothing is stored or asked before the chat is opened", () => {
    client();

    expect(store.items).toEqual({});
    expect(service.requests).toEqual([]);
  });

  test("opening costs one request, and no socket until the visitor comes near", async () => {
    const chat = client();

    await chat.start();
    expect(service.requests.map(({ path }) => path)).toEqual(["/sites/pk/session"]);
    expect(service.socket.links).toEqual([]);

    chat.connect();
    await settle();
    expect(service.socket.links).toHaveLength(1);
  });

  test("the next page goes on with the kept session and the conversation that has not ended", async () => {
    service.conversations = [
      conversation({ id: "c0", state: "closed", created_at: "2026-02-01T00:00:00Z" }),
      conversation(),
    ];
    await client().start();
    service.requests = [];

    const next = client();
    await next.start();
    await settle();

    expect(service.paths("POST")).toEqual([]);
    expect(next.state.conversation?.id).toBe("c1");
  });

  test("an older session is renewed, as the same visitor", async () => {
    await client().start();
    await clock.advance(11 * 60_000);
    service.requests = [];

    await client().start();

    expect(service.requests[0]).toMatchObject({ path: "/sites/pk/session", token: "t1" });
  });

  test("one that the server ended is replaced silently", async () => {
    const chat = client();
    await online(chat);
    service.tokens.clear();

    expect(await chat.askPerson()).toBe(true);

    expect(service.paths("POST").filter((path) => path.endsWith("/session"))).toHaveLength(2);
    expect(chat.state.conversation?.state).toBe("waiting");
  });

  test("of another visitor empties the chat", async () => {
    const chat = client();
    service.conversations = [conversation()];
    service.add({ text: "mine" });
    await online(chat);
    expect(chat.state.messages).toHaveLength(1);

    service.tokens.clear();
    service.visitor = "v2";
    service.conversations = [];
    await chat.refresh();
    await settle();

    expect(chat.state).toMatchObject({ visitor_id: "v2", messages: [], conversation: null });
  });

  test("a chat that cannot start says why and can be started again", async () => {
    const chat = client();
    service.down = true;
    await chat.start();
    expect(chat.state.problem?.code).toBe("unreachable");

    service.down = false;
    await chat.start();

    expect(chat.state).toMatchObject({ problem: null, visitor_id: "v1" });
  });

  test("a proof of identity that is refused keeps nobody out", async () => {
    const keeper = new Keeper("pk", store);
    const api = new Api({
      origin: "https://chat.test",
      key: "pk",
      keeper,
      lang: "en",
      page: () => "",
      now: clock.now,
    });
    service.refuses = "identity";
    api.identify({ id: "7" });

    await expect(api.session()).rejects.toMatchObject({ status: 400 });
    expect((await api.session()).visitor_id).toBe("v1");
  });

  test("works where nothing may be stored", async () => {
    const denied: Store = {
      getItem: () => {
        throw new DOMException("denied", "SecurityError");
      },
      setItem: () => {
        throw new DOMException("denied", "SecurityError");
      },
      removeItem: () => undefined,
    };
    const keeper = new Keeper("pk", denied);

    keeper.set({ token: "t", expires_at: "", visitor_id: "v", site, at: 0, read: null });

    expect(keeper.get()?.token).toBe("t");
  });
});

describe("sending", () => {
  test("over the socket: shown at once, stored by its acknowledgement, the new conversation followed", async () => {
    const chat = client();
    await online(chat);

    chat.send("hello");
    expect(chat.state.outbox).toMatchObject([{ text: "hello", status: "sending" }]);
    await settle();

    expect(chat.state.outbox).toEqual([]);
    expect(chat.state.messages).toMatchObject([{ text: "hello" }]);
    expect(service.socket.callsOf("send")).toMatchObject([
      { text: "hello", page: "https://host.test/page" },
    ]);
    expect(service.socket.callsOf("subscribe").at(-1)).toEqual({
      topics: ["conversation:c1:messages"],
    });
  });

  test("before there is a socket: over HTTP, with the same client id", async () => {
    const chat = client();
    await chat.start();

    chat.send("hello");
    await settle();

    expect(service.paths("POST").slice(1)).toEqual([
      "/visitor/conversations",
      "/visitor/conversations/c1/messages",
    ]);
    expect(chat.state.messages).toMatchObject([{ text: "hello" }]);
  });

  test("when the acknowledgement is lost it is stored once", async () => {
    const chat = client();
    await online(chat);
    service.socket.answers["send"] = ({ client_id, text }) => {
      service.say(`${client_id}`, `${text}`);
      throw new Error("the acknowledgement is lost");
    };

    chat.send("hello");
    await clock.advance(2_000);

    expect(service.messages).toHaveLength(1);
    expect(chat.state.messages).toHaveLength(1);
    expect(chat.state.outbox).toEqual([]);
  });

  test("without any network fails after 15 s, and a retry sends the same message", async () => {
    const chat = client();
    await chat.start();
    service.down = true;
    chat.send("hello");
    await clock.advance(14_000);
    expect(chat.state.outbox).toMatchObject([{ status: "sending" }]);

    await clock.advance(3_000);
    const [failed] = chat.state.outbox;
    expect(failed).toMatchObject({ status: "failed", problem: null });

    service.down = false;
    chat.retry(failed?.client_id ?? "");
    await clock.advance(2_000);
    expect(service.messages).toMatchObject([{ client_id: failed?.client_id, text: "hello" }]);
  });

  test("what the server refuses fails at once, in its words", async () => {
    const chat = client();
    await online(chat);
    service.socket.answers["send"] = () => ({
      error: { code: "too_long", message: "At most 4,000 characters.", retry: "never" },
    });

    chat.send("hello");
    await settle();

    expect(chat.state.outbox).toMatchObject([
      { status: "failed", problem: "At most 4,000 characters." },
    ]);
  });

  test("several keep their order", async () => {
    const chat = client();
    await online(chat);

    for (const text of ["one", "two", "three"]) chat.send(text);
    await settle();

    expect(service.messages.map(({ text }) => text)).toEqual(["one", "two", "three"]);
  });
});

describe("a server that is busy", () => {
  const busy = (retry_after_s: number) => () => ({
    error: { code: "too_many_requests", message: "Too many.", retry: "backoff", retry_after_s },
  });

  test("a message waits in the outbox, says for how long, and goes out by itself", async () => {
    const chat = client();
    await online(chat);
    service.socket.answers["send"] = busy(40);
    chat.send("hello");
    await settle();
    expect(chat.state.outbox).toMatchObject([{ status: "sending", wait_s: 40 }]);

    await clock.advance(38_000);
    expect(chat.state.outbox).toMatchObject([{ status: "sending", wait_s: 2 }]);
    expect(service.socket.callsOf("send")).toHaveLength(1);
    service.socket.answers["send"] = ({ client_id, text }) =>
      service.say(`${client_id}`, `${text}`);
    await clock.advance(2_000);

    expect(chat.state.outbox).toEqual([]);
    expect(service.messages).toMatchObject([{ text: "hello" }]);
  });

  test("over HTTP too, and what was written meanwhile follows in order", async () => {
    const chat = client();
    service.conversations = [conversation()];
    await chat.start();
    await settle();
    service.busy = 1;
    chat.send("one");
    chat.send("two");
    await settle();
    expect(chat.state.outbox).toMatchObject([{ wait_s: 7 }, { wait_s: 0 }]);

    await clock.advance(8_000);

    expect(service.messages.map(({ text }) => text)).toEqual(["one", "two"]);
  });

  test("a wait of more than five minutes is the visitor's to decide on", async () => {
    const chat = client();
    await online(chat);
    service.socket.answers["send"] = busy(3_600);

    chat.send("hello");
    await settle();

    expect(chat.state.outbox).toMatchObject([
      { status: "failed", problem: "Too many.", wait_s: 0 },
    ]);
  });

  test("the chat starts by itself when the server has time", async () => {
    const chat = client();
    service.busy = 1;
    void chat.start();
    await clock.advance(3_000);
    expect(chat.state.problem).toMatchObject({ code: "too_many_requests", retry_after_s: 4 });

    await clock.advance(5_000);

    expect(chat.state).toMatchObject({ problem: null, visitor_id: "v1" });
  });

  test("a person is called when it has time", async () => {
    const chat = client();
    service.conversations = [conversation()];
    await online(chat);
    service.busy = 1;

    const called = chat.askPerson();
    await clock.advance(8_000);

    expect(await called).toBe(true);
    expect(chat.state.conversation?.state).toBe("waiting");
  });

  test("nothing is sent any more after the end", async () => {
    const chat = client();
    await online(chat);
    service.socket.answers["send"] = busy(5);
    chat.send("hello");
    await settle();

    chat.end();
    await clock.advance(60_000);

    expect(service.socket.callsOf("send")).toHaveLength(1);
    expect(service.paths("POST").filter((path) => path.endsWith("/messages"))).toEqual([]);
  });
});

describe("a rating", () => {
  const answer = async (): Promise<ChatClient> => {
    service.conversations = [conversation()];
    service.add({ text: "Why?" });
    service.add({ author: by.assistant, confidence: "answered" });
    const chat = client();
    await online(chat);
    return chat;
  };
  const rated = (chat: ChatClient): unknown => chat.state.messages[1]?.feedback;
  const rate = (chat: ChatClient, value: 1 | -1 | 0, reason: string | null = null): void => {
    const [, message] = chat.state.messages;
    if (message) chat.rate(message, value === 0 ? null : { value, reason });
  };
  const sent = (): unknown[] =>
    service.requests.filter(({ path }) => path.endsWith("/feedback")).map(({ body }) => body);

  test("is shown at once and stored", async () => {
    const chat = await answer();

    rate(chat, 1);
    expect(rated(chat)).toEqual({ value: 1, reason: null });
    await settle();
    rate(chat, -1, "Not correct");
    await settle();
    rate(chat, 0);
    await settle();

    expect(sent()).toEqual([{ value: 1 }, { value: -1, reason: "Not correct" }, { value: 0 }]);
    expect(rated(chat)).toBeNull();
    expect(service.messages[1]?.feedback).toBeNull();
  });

  test("is sent again when the network is back, the last word last", async () => {
    const chat = await answer();
    service.down = true;
    rate(chat, 1);
    await clock.advance(5_000);
    rate(chat, -1, "Not complete");
    await clock.advance(5_000);
    service.down = false;

    await clock.advance(5_000);

    expect(rated(chat)).toEqual({ value: -1, reason: "Not complete" });
    expect(service.messages[1]?.feedback).toEqual({ value: -1, reason: "Not complete" });
  });

  test("that cannot be stored is taken back and said to be", async () => {
    const chat = await answer();
    service.down = true;

    rate(chat, 1);
    await clock.advance(40_000);

    expect(rated(chat)).toBeNull();
    expect(chat.state.unrated).toBe("m2");
  });

  test("of a conversation that was left meanwhile does not bring it back", async () => {
    const chat = await answer();
    rate(chat, 1);

    chat.startOver();
    await settle();

    expect(sent()).toHaveLength(1);
    expect(chat.state.conversation).toBeNull();
  });

  test("does not hide that an answer is awaited", async () => {
    const chat = await answer();
    chat.send("And now?");
    await settle();
    expect(isThinking(chat.state)).toBe(true);

    rate(chat, 1);
    await settle();

    expect(isThinking(chat.state)).toBe(true);
  });
});

describe("an answer that broke off", () => {
  const broken = async (): Promise<ChatClient> => {
    service.conversations = [conversation()];
    service.add({ text: "Why?" });
    service.add({ author: by.assistant, text: "Because", status: "interrupted" });
    const chat = client();
    await online(chat);
    return chat;
  };

  test("is written again under its own id, in its place", async () => {
    const chat = await broken();
    service.socket.answers["retry"] = () => ({});

    void chat.again("m2");
    await settle();
    expect(service.socket.callsOf("retry")).toEqual([{ mid: "m2" }]);
    expect(isThinking(chat.state)).toBe(true);

    service.socket.send("answer.start", { conversation_id: "c1", mid: "m2", attempt: 2 });
    service.socket.send("answer.delta", { mid: "m2", attempt: 2, seq: 1, text: "So" });
    expect(chat.state).toMatchObject({ answer: { mid: "m2", text: "So" }, expecting: null });
    expect(chat.state.messages[1]?.text).toBe("Because");

    service.messages[1] = {
      ...(service.messages[1] as (typeof service.messages)[0]),
      text: "So it is.",
      status: "complete",
      rev: 3,
    };
    const end = { mid: "m2", attempt: 2, seq: 2, status: "complete", version: 2 };
    service.socket.send("answer.end", end);
    await settle();
    expect(chat.state.answer).toBeNull();
    expect(chat.state.messages.map(({ text }) => text)).toEqual(["Why?", "So it is."]);
  });

  test("waits for a busy server with dots, and is asked for by itself", async () => {
    const chat = await broken();
    service.socket.answers["retry"] = () => ({
      error: { code: "too_many_requests", message: "", retry: "backoff", retry_after_s: 50 },
    });
    void chat.again("m2");
    await clock.advance(45_000);
    expect(isThinking(chat.state)).toBe(true);

    service.socket.answers["retry"] = () => ({});
    await clock.advance(6_000);
    expect(service.socket.callsOf("retry")).toHaveLength(2);

    await clock.advance(31_000);
    expect(isThinking(chat.state)).toBe(false);
  });

  test("is asked for over HTTP without a socket", async () => {
    service.conversations = [conversation()];
    service.add({ id: "m2", author: by.assistant, status: "failed" });
    const chat = client();
    await chat.start();

    await chat.again("m2");

    expect(service.paths("POST").at(-1)).toBe("/visitor/messages/m2/retry");
  });

  test("and may not be tried again leaves no dots behind", async () => {
    const chat = await broken();
    service.socket.answers["retry"] = () => ({
      error: { code: "conflict", message: "Not the last one.", retry: "refetch" },
    });

    await chat.again("m2");

    expect(isThinking(chat.state)).toBe(false);
  });
});

describe("whether somebody is there", () => {
  const asked = (): number =>
    service.paths("GET").filter((path) => path === "/visitor/availability").length;

  test("is asked again when the page is seen after a while, not before", async () => {
    const chat = client();
    await online(chat);
    service.staff_online = false;

    await clock.advance(30_000);
    chat.wake();
    await settle();
    expect(asked()).toBe(0);

    await clock.advance(31_000);
    chat.wake();
    chat.wake();
    await settle();
    expect(asked()).toBe(1);
    expect(chat.state.site?.availability.staff_online).toBe(false);
  });

  test("is asked again when a person is called, and when the connection is back", async () => {
    service.conversations = [conversation()];
    const chat = client();
    await online(chat);
    service.staff_online = false;
    await clock.advance(61_000);
    await chat.askPerson();
    expect(chat.state.site?.availability.staff_online).toBe(false);

    service.staff_online = true;
    service.socket.lose();
    await clock.advance(61_000);
    service.socket.open();
    await settle();
    expect(chat.state.site?.availability.staff_online).toBe(true);
  });

  test("comes with a session that another tab got", async () => {
    const first = client();
    await online(first);
    service.staff_online = false;
    await clock.advance(11 * 60_000);
    await client().start();

    first.adopt();

    expect(first.state.site?.availability.staff_online).toBe(false);
  });

  test("is told live: read when the topic is joined, and within three seconds of a change", async () => {
    service.public_topic = "org:o1:public";
    const chat = client();
    await chat.start();
    service.staff_online = false;
    chat.connect();
    await settle();
    service.socket.open();
    await settle();
    expect(chat.state.site?.availability.staff_online).toBe(false);

    service.staff_online = true;
    clock.chance = 0.5;
    for (const id of ["a", "b", "c"]) {
      const change = signal(id, "org:o1:public", { event: "availability.changed" });
      service.socket.send("signal", change);
    }
    await clock.advance(1_499);
    expect(asked()).toBe(1);
    await clock.advance(1);

    expect(asked()).toBe(2);
    expect(chat.state.site?.availability).toEqual({ staff_online: true, topic: "org:o1:public" });
  });

  test("is not asked for by who is told of it, however often the page is seen or the line breaks", async () => {
    service.public_topic = "org:o1:public";
    service.conversations = [conversation()];
    const chat = client();
    await online(chat);
    const before = asked();

    await clock.advance(61_000);
    chat.wake();
    await chat.askPerson();
    service.socket.lose();
    await clock.advance(61_000);
    service.socket.open();
    await settle();

    expect(chat.state.connection).toBe("connected");
    expect(asked()).toBe(before);
  });

  test("other news of that topic are none of ours", async () => {
    service.public_topic = "org:o1:public";
    await online(client());
    const before = asked();

    service.socket.send("signal", signal("a", "org:o1:public", { event: "sale.began" }));
    await clock.advance(10_000);

    expect(asked()).toBe(before);
  });

  test("a service from before this says so with the session, and that is all", async () => {
    const chat = client();
    await online(chat);

    expect(service.socket.callsOf("subscribe")).toEqual([{ topics: ["visitor:v1:conversations"] }]);
    expect(chat.state.site?.availability.staff_online).toBe(true);
  });
});

describe("that the visitor is there", () => {
  const topic = "conversation:c1:messages";

  test("staff see, and whether the conversation is looked at", async () => {
    service.conversations = [conversation()];
    service.socket.answers["presence"] = () => ({ members: [], count: 1 });
    const chat = client();
    chat.view(true);
    await online(chat);
    await clock.advance(2_000);
    chat.view(false);
    chat.view(false);
    await clock.advance(2_000);

    expect(service.socket.callsOf("presence")).toEqual([
      { topic, state: { viewing: true } },
      { topic, state: { viewing: false } },
    ]);
  });

  test("is taken back when the conversation is left, with its topic", async () => {
    service.conversations = [conversation()];
    service.socket.answers["presence"] = () => ({ members: [], count: 1 });
    const chat = client();
    await online(chat);
    await clock.advance(2_000);

    chat.startOver();
    await clock.advance(2_000);

    expect(service.socket.callsOf("unsubscribe")).toEqual([{ topics: [topic] }]);
  });

  test("a service from before this, which knows no presence, is not asked again and again", async () => {
    service.conversations = [conversation()];
    const error = { code: "unknown_event", message: "", retry: "never" };
    service.socket.answers["presence"] = () => ({ error });
    const chat = client();
    await online(chat);
    chat.view(true);
    await clock.advance(600_000);

    expect(service.socket.callsOf("presence").length).toBeLessThanOrEqual(2);
    expect(chat.state.connection).toBe("connected");
  });
});

describe("many signals in a moment", () => {
  test("are served by two readings, and how many were spared is reported", async () => {
    service.conversations = [conversation()];
    service.socket.answers["report"] = () => ({});
    await online(client());
    service.requests = [];

    for (let n = 0; n < 50; n++) {
      service.socket.send("signal", signal(`s${n}`, "conversation:c1:messages"));
    }
    await clock.advance(60_000);

    expect(service.paths("GET")).toHaveLength(2);
    expect(service.socket.callsOf("report")).toMatchObject([{ throttled: 48 }]);
  });
});

describe("the code of the socket", () => {
  test("that does not come is fetched again, and until then everything is read", async () => {
    const follow = open;
    let tries = 0;
    open = () => {
      tries++;
      return Promise.reject(new Error("blocked"));
    };
    service.conversations = [conversation()];
    const chat = client();
    await chat.start();
    await settle();
    service.add({ author: by.staff, text: "hello?" });
    await clock.advance(8_000);
    expect(tries).toBe(3);
    expect(chat.state.away).toBe(true);
    expect(chat.state.messages).toMatchObject([{ text: "hello?" }]);

    open = follow;
    await clock.advance(10_000);
    service.socket.open();
    await settle();

    expect(chat.state).toMatchObject({ connection: "connected", away: false });
  });

  test("that was fetched twice in a hurry makes one connection", async () => {
    const follow = open;
    const come: (() => void)[] = [];
    open = () => Promise.reject(new Error("blocked"));
    service.conversations = [conversation()];
    const chat = client();
    await chat.start();
    await settle();
    open = async (hooks) => {
      await new Promise<void>((done) => come.push(done));
      return follow(hooks);
    };
    await clock.advance(3_000);
    chat.send("are you there?");
    await clock.advance(3_000);
    expect(come).toHaveLength(2);

    come.forEach((done) => done());
    await clock.advance(1_000);

    expect(service.socket.links).toHaveLength(1);
  });

  test("that comes after the end begins nothing", async () => {
    const follow = open;
    let come: () => void = () => undefined;
    open = async (hooks) => {
      await new Promise<void>((done) => (come = done));
      return follow(hooks);
    };
    service.conversations = [conversation()];
    const chat = client();
    await chat.start();
    await settle();

    chat.end();
    come();
    await clock.advance(60_000);

    expect(service.socket.links).toEqual([]);
  });
});

describe("a lost connection", () => {
  test("is told after two seconds, not before, and no more when it is back", async () => {
    const chat = client();
    await online(chat);
    service.socket.lose();
    await clock.advance(1_900);
    expect(chat.state.away).toBe(false);

    await clock.advance(200);
    expect(chat.state.away).toBe(true);

    service.socket.open();
    await clock.advance(0);
    expect(chat.state.away).toBe(false);
  });

  test("with which reading still works is a slow one, until that fails too", async () => {
    service.conversations = [conversation()];
    const chat = client();
    await online(chat);
    service.socket.lose();
    await clock.advance(4_000);
    expect(chat.state).toMatchObject({ away: true, reachable: true });

    service.down = true;
    await clock.advance(5_000);
    expect(chat.state).toMatchObject({ away: true, reachable: false });

    service.down = false;
    await clock.advance(8_000);
    expect(chat.state).toMatchObject({ away: true, reachable: true });
  });

  test("that is back in time is nobody's concern", async () => {
    const chat = client();
    await online(chat);
    service.socket.lose();
    await clock.advance(1_500);
    service.socket.open();

    await clock.advance(10_000);

    expect(chat.state.away).toBe(false);
  });
});

describe("following", () => {
  test("a signal makes it read what is new; one about something known does not", async () => {
    service.conversations = [conversation()];
    service.add({ text: "first" });
    const chat = client();
    await online(chat);
    service.requests = [];

    service.add({ text: "second", author: by.staff });
    service.socket.send("signal", signal("s1", "conversation:c1:messages", { version: 2 }));
    await settle();
    service.socket.send("signal", signal("s2", "conversation:c1:messages", { version: 2 }));
    await settle();

    expect(service.paths("GET")).toEqual(["/visitor/conversations/c1/messages?after=1"]);
    expect(chat.state.messages.map(({ text }) => text)).toEqual(["first", "second"]);
  });

  test("a long transcript is read page by page", async () => {
    service.conversations = [conversation()];
    for (let n = 0; n < 450; n++) service.add({});
    const chat = client();

    await chat.start();
    await settle();
    await chat.refresh();

    expect(chat.state.messages).toHaveLength(450);
    expect(chat.state.cursor).toBe(450);
  });

  test("after an answer ends its stored message takes its place", async () => {
    const chat = client();
    await online(chat);
    chat.send("hello");
    await settle();
    expect(isThinking(chat.state)).toBe(true);

    service.socket.send("answer.start", { conversation_id: "c1", mid: "m2", attempt: 1 });
    service.socket.send("answer.delta", { mid: "m2", attempt: 1, seq: 1, text: "Hi" });
    expect(chat.state.answer?.text).toBe("Hi");
    service.add({ id: "m2", author: by.assistant, text: "Hi [1]" });
    service.socket.send("answer.end", {
      mid: "m2",
      attempt: 1,
      seq: 2,
      status: "complete",
      version: 1,
    });
    await settle();

    expect(chat.state.answer).toBeNull();
    expect(chat.state.messages.at(-1)).toMatchObject({ id: "m2", text: "Hi [1]" });
  });

  test("a call for a person opens a conversation when there is none", async () => {
    const chat = client();
    await online(chat);

    expect(await chat.askPerson()).toBe(true);

    expect(chat.state.conversation).toMatchObject({ id: "c1", state: "waiting" });
    expect(chat.state.messages).toMatchObject([{ text: "The visitor asked for a person." }]);
  });

  test("staff who stop typing without a word are forgotten", async () => {
    service.conversations = [conversation({ state: "staff" })];
    const chat = client();
    await online(chat);

    service.socket.send("typing", { conversation_id: "c1", kind: "staff", name: "Ana", on: true });
    expect(chat.state.typing).toBe("Ana");
    await clock.advance(6_000);

    expect(chat.state.typing).toBeNull();
  });

  test("nobody is shown typing who types elsewhere, or is a visitor too", async () => {
    service.conversations = [conversation({ state: "staff" })];
    const chat = client();
    await online(chat);

    const typing = { conversation_id: "c1", kind: "staff", name: "Ana", on: true };
    service.socket.send("typing", { ...typing, conversation_id: "c9" });
    service.socket.send("typing", { ...typing, kind: "visitor" });

    expect(chat.state.typing).toBeNull();
  });
});

describe("without a socket", () => {
  async function polls(hidden: boolean, ms: number): Promise<number> {
    service.conversations = [conversation()];
    service.add({});
    page.isHidden = hidden;
    const chat = client();
    await chat.start();
    await settle();
    service.socket.lose({ code: "origin_not_allowed", retry: "never", refused: true });
    await clock.advance(0);
    service.socket.lose({ code: "origin_not_allowed", retry: "never", refused: true });
    expect(chat.state.connection).toBe("failed");
    service.requests = [];
    await clock.advance(ms);
    return service.paths("GET").length;
  }

  test("it asks every 3 s, backing off", async () => {
    // 1 s of waiting for a socket, then after 3, 4.5, 6.75, 10.1, 15.2 s
    expect(await polls(false, 1_000 + 40_000)).toBe(5);
  });

  test("it asks ten times less often while the page is hidden", async () => {
    expect(await polls(true, 1_000 + 40_000)).toBe(1);
  });

  test("new messages come all the same", async () => {
    service.conversations = [conversation()];
    const chat = client();
    await chat.start();
    await settle();
    service.add({ author: by.staff, text: "hello?" });

    await clock.advance(8_000);

    expect(chat.state.messages).toMatchObject([{ text: "hello?" }]);
  });

  test("asking stops when the socket is back", async () => {
    service.conversations = [conversation()];
    const chat = client();
    await online(chat);
    service.socket.lose();
    await clock.advance(10_000);
    service.socket.open();
    await settle();
    service.requests = [];

    await clock.advance(60_000);

    expect(service.paths("GET")).toEqual([]);
    expect(chat.state.connection).toBe("connected");
  });
});

describe("after the end", () => {
  test("nothing is asked, nothing is kept, whatever was on its way", async () => {
    service.conversations = [conversation()];
    const keeper = new Keeper("pk", store);
    const chat = client();
    await online(chat);
    service.down = true;
    void chat.refresh();

    chat.end();
    await clock.advance(1);
    service.requests = [];
    await clock.advance(120_000);
    keeper.close();
    keeper.set({ token: "late", expires_at: "", visitor_id: "v1", site, at: 0, read: null });

    expect(service.requests).toEqual([]);
    expect(service.socket.links.every(({ closed }) => closed)).toBe(true);
    expect(store.items).toEqual({});
  });
});

describe("two tabs", () => {
  test("the second takes over the session and the conversation of the first", async () => {
    const first = client();
    const second = client();
    await online(first);
    await second.start();
    first.send("from the first");
    await settle();
    first.read();

    second.adopt();
    await settle();

    expect(second.state.messages).toMatchObject([{ text: "from the first" }]);
    expect(service.paths("POST").filter((path) => path.endsWith("/session"))).toHaveLength(1);
  });

  test("what one has read is read in the other", async () => {
    service.conversations = [conversation()];
    service.add({ author: by.staff });
    const [first, second] = [client(), client()];
    await first.start();
    await second.start();
    await settle();

    first.read();
    second.adopt();

    expect(second.state.read_seq).toBe(1);
  });

  test("a session renewed in one is shown to the other's socket", async () => {
    const first = client();
    await online(first);
    service.socket.answers["renew"] = () => ({
      expires_at: new Date(clock.now() + 86_400_000).toISOString(),
    });
    await clock.advance(11 * 60_000);
    await client().start();

    first.adopt();
    await settle();

    expect(service.socket.callsOf("renew")).toEqual([{ token: "t2" }]);
  });
});
