import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { describe, expect, it, vi } from "vitest";
import { makeCache } from "../../src/cache";
import { keys } from "../../src/keys";
import { openLive } from "../../src/realtime/live";
import { TestClock } from "../clock";
import { conversation, message, signal } from "../made";
import { Server } from "../server";
import { TestPage } from "./page";

const INBOX = "org:o1:inbox";
const LISTS = keys.lists("acme");

function open({ down = false } = {}) {
  const [server, clock, page, client] = [new Server(), new TestClock(), new TestPage(), new QueryClient()];
  server.down = down;
  const auth = () => Promise.resolve({ token: "t", expires_at: null });
  const live = openLive({ slug: "acme", auth, client, transport: server.transport, clock, page });
  const read = vi.spyOn(client, "invalidateQueries");
  /** How often something was read, by the first word of its key. */
  const readsOf = (key: readonly unknown[]) =>
    read.mock.calls.filter(([filters]) => JSON.stringify(filters?.queryKey) === JSON.stringify(key)).length;
  live.realtime.start();
  return { server, clock, page, client, live, readsOf };
}

describe("following a topic", () => {
  it("reads once when joined, again at each signal, and no more after leaving", async () => {
    const { server, clock, live, readsOf } = open();
    const leave = live.keepFresh(INBOX, LISTS);
    await clock.pass(1_000);
    expect(readsOf(LISTS)).toBe(1);

    server.emit("signal", signal(INBOX, "conversation.changed"));
    await clock.pass(1_000);
    expect(readsOf(LISTS)).toBe(2);

    leave();
    server.emit("signal", signal(INBOX, "conversation.changed"));
    await clock.pass(1_000);
    expect(readsOf(LISTS)).toBe(2);
  });

  it("reads once for a signal that comes twice", async () => {
    const { server, clock, live, readsOf } = open();
    live.keepFresh(INBOX, LISTS);
    await clock.pass(1_000);
    const once = signal(INBOX, "conversation.changed");

    server.emit("signal", once);
    await clock.pass(1_000);
    server.emit("signal", once);
    await clock.pass(1_000);

    expect(readsOf(LISTS)).toBe(2);
  });

  it("takes a signal for one, however many keys follow its topic", async () => {
    const { server, clock, live, readsOf } = open();
    live.keepFresh(INBOX, LISTS);
    live.keepFresh(INBOX, keys.budget("acme"));
    await clock.pass(10_000);

    server.emit("signal", signal(INBOX, "conversation.changed"));
    await clock.pass(120_000);

    expect(readsOf(LISTS)).toBe(2);
    expect(server.toldOf("report")).toEqual([]);
  });

  it("reads again after joining, when the first reading began before: what happened between gave no signal", async () => {
    const { clock, live, client } = open();
    let state = "before";
    const queryFn = async () => {
      const read = state;
      await new Promise<void>((resolve) => clock.after(2_000, resolve));
      return read;
    };
    new QueryObserver(client, { queryKey: LISTS, queryFn }).subscribe(() => undefined);
    await clock.pass(1_000);

    state = "after";
    live.keepFresh(INBOX, LISTS);
    await clock.pass(10_000);

    expect(client.getQueryData(LISTS)).toBe("after");
  });

  it("reads a thread for a message that is new, and not for one that was read already", async () => {
    const { server, clock, live, client, readsOf } = open();
    const [topic, key] = ["conversation:c1:messages", keys.thread("acme", "c1")];
    const messages = [message({ id: "m5", rev: 5 })];
    client.setQueryData(key, { conversation: conversation(), messages, cursor: 5 });
    live.keepFresh(topic, key);
    await clock.pass(1_000);

    server.emit("signal", signal(topic, "message.changed", { version: 5 }));
    await clock.pass(1_000);
    expect(readsOf(key)).toBe(1);

    server.emit("signal", signal(topic, "message.changed", { version: 6 }));
    await clock.pass(1_000);
    expect(readsOf(key)).toBe(2);
  });

  it("reads a thread for a handoff whatever was read, and for a message without a version", async () => {
    const { server, clock, live, client, readsOf } = open();
    const [topic, key] = ["conversation:c1:messages", keys.thread("acme", "c1")];
    client.setQueryData(key, { conversation: conversation(), messages: [], cursor: 99 });
    live.keepFresh(topic, key);
    await clock.pass(1_000);

    server.emit("signal", signal(topic, "handoff.taken", { version: 1 }));
    await clock.pass(1_000);
    server.emit("signal", signal(topic, "message.changed"));
    await clock.pass(1_000);

    expect(readsOf(key)).toBe(3);
  });

  it("tells the server how many signals it folded into one reading", async () => {
    const { server, clock, live } = open();
    live.keepFresh(INBOX, LISTS);
    await clock.pass(1_000);

    for (let n = 0; n < 20; n++) server.emit("signal", signal(INBOX, "conversation.changed"));
    await clock.pass(120_000);

    const told = server.toldOf("report") as { throttled: number }[];
    // Of each 20, for the lists and for the budget, one is read.
    expect(told.reduce((sum, { throttled }) => sum + throttled, 0)).toBe(2 * 19);
  });
});

describe("without a connection", () => {
  it("reads what was missed when it is back", async () => {
    const { server, clock, live, readsOf } = open();
    live.keepFresh(INBOX, LISTS);
    await clock.pass(1_000);

    server.drop();
    server.emit("signal", signal(INBOX, "conversation.changed"));
    await clock.pass(3_000);

    expect(readsOf(LISTS)).toBe(2);
  });

  it("reads every few seconds as long as there is none, and seldom while the page is hidden", async () => {
    const { clock, page, live, readsOf } = open({ down: true });
    live.keepFresh(INBOX, LISTS);

    await clock.pass(20_000);
    const seen = readsOf(LISTS);
    expect(seen).toBeGreaterThanOrEqual(2);
    expect(seen).toBeLessThanOrEqual(5);

    page.isHidden = true;
    await clock.pass(60_000); // what was planned before
    const before = readsOf(LISTS);
    await clock.pass(60_000);
    expect(readsOf(LISTS) - before).toBeLessThanOrEqual(1);
  });

  it("leaves a slow server in peace between two readings", async () => {
    const { clock, live, client } = open({ down: true });
    const begun: number[] = [];
    const done: number[] = [];
    const queryFn = async () => {
      begun.push(clock.now());
      await new Promise<void>((resolve) => clock.after(20_000, resolve));
      done.push(clock.now());
      return "read";
    };
    new QueryObserver(client, { queryKey: LISTS, queryFn }).subscribe(() => undefined);
    live.keepFresh(INBOX, LISTS);

    await clock.pass(150_000);

    // The first poll comes while the screen itself is still read for the first time.
    const rests = begun.slice(2).map((at, n) => at - (done[n + 1] ?? Infinity));
    expect(rests.length).toBeGreaterThanOrEqual(3);
    expect(Math.min(...rests)).toBeGreaterThanOrEqual(3_000);
  });

  it("polls a topic that the server has paused, though the connection stands", async () => {
    const { server, clock, live, readsOf } = open();
    server.codes.set(INBOX, "paused");
    live.keepFresh(INBOX, LISTS);
    live.keepFresh("org:o1:knowledge", keys.documents("acme"));

    await clock.pass(20_000);

    expect(readsOf(LISTS)).toBeGreaterThanOrEqual(3);
    expect(readsOf(keys.documents("acme"))).toBe(1);
  });
});

describe("when the page is seen again", () => {
  it("leaves reading to the cache, which reads all that is on screen", async () => {
    const { clock, page, live, readsOf } = open();
    live.keepFresh(INBOX, LISTS);
    await clock.pass(60_000);

    page.say("shown");
    await clock.pass(1_000);

    expect(readsOf(LISTS)).toBe(1);
    expect(makeCache(() => undefined).getDefaultOptions().queries?.refetchOnWindowFocus).toBe(true);
  });
});

describe("when signals were lost", () => {
  it("reads everything that is followed", async () => {
    const { server, clock, live, readsOf } = open();
    const all = [LISTS, keys.documents("acme"), keys.thread("acme", "c1")];
    live.keepFresh(INBOX, LISTS);
    live.keepFresh("org:o1:knowledge", keys.documents("acme"));
    live.keepFresh("conversation:c1:messages", keys.thread("acme", "c1"));
    await clock.pass(10_000);
    expect(all.map(readsOf)).toEqual([1, 1, 1]);

    server.emit("system", { code: "signals_lost", retry: "refetch", message: "Load again." });
    await clock.pass(10_000);

    expect(all.map(readsOf)).toEqual([2, 2, 2]);
  });
});
