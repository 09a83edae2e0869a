import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { describe, expect, it, vi } from "vitest";
import type { OrgApi } from "../src/api";
import { keys } from "../src/keys";
import { openLive, staleAfter } from "../src/live";
import type { Signal } from "../src/wire";
import { TestClock } from "./clock";
import { signal } from "./made";
import { Server } from "./server";

const stale = (heard: Signal, cursor = 0) => staleAfter(heard, "acme", () => cursor);

describe("what a signal makes stale", () => {
  it("is every list, when something happens in the inbox", () => {
    for (const event of ["conversation.changed", "handoff.requested", "handoff.taken", "handoff.ended"]) {
      expect(stale(signal("org:o1:inbox", event))).toEqual([keys.lists("acme")]);
    }
  });

  it("is the thread, when a message is said or noted in it", () => {
    const said = signal("conversation:c1:messages", "message.changed", { version: 5 });
    const noted = signal("conversation:c1:staff", "message.changed", { version: 6 });

    expect(stale(said, 4)).toEqual([keys.thread("acme", "c1")]);
    expect(stale(noted, 5)).toEqual([keys.thread("acme", "c1")]);
  });

  it("is nothing, when the message was read already", () => {
    expect(stale(signal("conversation:c1:messages", "message.changed", { version: 5 }), 5)).toEqual([]);
  });

  it("is the thread whatever was read, when a handoff changes or no version is told", () => {
    expect(stale(signal("conversation:c1:messages", "handoff.taken", { version: 1 }), 99)).toHaveLength(1);
    expect(stale(signal("conversation:c1:messages", "message.changed"), 99)).toHaveLength(1);
  });

  it("is the lists that a document may stand in, and the one that changed", () => {
    const changed = signal("org:o1:knowledge", "document.changed", { ids: { document_id: "d1" } });

    expect(stale(changed)).toEqual([
      keys.documents("acme"),
      keys.faqs("acme"),
      keys.labels("acme"),
      keys.document("acme", "d1"),
    ]);
  });

  it("is the list of websites and the one that is read", () => {
    const changed = signal("org:o1:knowledge", "crawl.changed", { ids: { crawl_id: "w1" } });

    expect(stale(changed)).toEqual([keys.crawls("acme"), keys.crawl("acme", "w1")]);
  });

  it("is nothing for a topic nobody here knows", () => {
    expect(stale(signal("org:o1:dashboard", "figures.changed"))).toEqual([]);
  });
});

describe("following a topic", () => {
  const open = () => {
    const [server, clock, client] = [new Server(), new TestClock(), new QueryClient()];
    const api = { socketToken: () => Promise.resolve({ token: "t", expires_at: "" }) } as unknown as OrgApi;
    const live = openLive({ slug: "acme", api, client, transport: server.transport, clock });
    const read = vi.spyOn(client, "invalidateQueries");
    live.start();
    return { server, clock, client, live, read };
  };

  it("reads once when joined, again at each signal, and no more after leaving", async () => {
    const { server, clock, live, read } = open();
    const leave = live.follow("org:o1:inbox", keys.lists("acme"));
    await clock.pass(1_000);
    expect(read).toHaveBeenCalledTimes(1);

    server.emit("signal", signal("org:o1:inbox", "conversation.changed"));
    await clock.pass(1_000);
    expect(read).toHaveBeenCalledTimes(2);

    leave();
    server.emit("signal", signal("org:o1:inbox", "conversation.changed"));
    await clock.pass(1_000);
    expect(read).toHaveBeenCalledTimes(2);
  });

  it("reads once for a signal that comes twice", async () => {
    const { server, clock, live, read } = open();
    live.follow("org:o1:inbox", keys.lists("acme"));
    await clock.pass(1_000);
    const once = signal("org:o1:inbox", "conversation.changed");

    server.emit("signal", once);
    await clock.pass(1_000);
    server.emit("signal", once);
    await clock.pass(1_000);

    expect(read).toHaveBeenCalledTimes(2);
  });

  it("reads again after joining, when the first reading began before: what happened between gave no signal", async () => {
    const { clock, live, client } = open();
    let state = "before";
    const queryKey = keys.lists("acme");
    const queryFn = async () => {
      const read = state;
      await new Promise<void>((resolve) => clock.after(2_000, resolve));
      return read;
    };
    new QueryObserver(client, { queryKey, queryFn }).subscribe(() => undefined);
    await clock.pass(1_000);

    state = "after";
    live.follow("org:o1:inbox", queryKey);
    await clock.pass(10_000);

    expect(client.getQueryData(queryKey)).toBe("after");
  });

  it("reads what was missed while there was no connection", async () => {
    const { server, clock, live, read } = open();
    live.follow("org:o1:inbox", keys.lists("acme"));
    await clock.pass(1_000);
    read.mockClear();

    server.drop();
    server.emit("signal", signal("org:o1:inbox", "conversation.changed"));
    await clock.pass(5_000);

    expect(read).toHaveBeenCalledTimes(1);
    expect(read).toHaveBeenCalledWith({ queryKey: keys.lists("acme") });
  });
});
