import type { Status } from "@widget/realtime/client";
import { describe, expect, it } from "vitest";
import { collisionWith } from "../../src/inbox/collision";
import { CONNECTIONS, connectionOf, lastUpdate } from "../../src/realtime/connection";
import { colleagues, isPresent, named, staffKey, visitorKey } from "../../src/realtime/people";

const member = (key: string, name: string) => ({ key, name, state: {} });

describe("the connection", () => {
  const of = (status: Status, reachable = true, paused: string[] = []) =>
    connectionOf({ status, paused }, reachable);

  it("is live, being made, lost, gone or refused", () => {
    expect(of("connected")).toBe("live");
    expect(of("connecting")).toBe("connecting");
    expect(of("disconnected")).toBe("reconnecting");
    expect(of("suspended")).toBe("reconnecting");
    expect(of("failed")).toBe("failed");
  });

  it("is offline when the server answers nothing, but never while the socket stands", () => {
    expect(of("disconnected", false)).toBe("offline");
    expect(of("failed", false)).toBe("offline");
    expect(of("connected", false)).toBe("live");
  });

  it("is not called live while something is paused", () => {
    expect(of("connected", true, ["org:o1:inbox"])).toBe("paused");
    expect(of("disconnected", true, ["org:o1:inbox"])).toBe("reconnecting");
  });

  it("says that it polls where it polls, and only there", () => {
    const polling = Object.entries(CONNECTIONS).filter(([, { about }]) => about.includes("Updates every"));
    expect(polling.map(([name]) => name)).toEqual(["paused", "reconnecting", "failed"]);
  });

  it("says how old the last update is", () => {
    expect(lastUpdate(null, 0)).toBe("No live update yet.");
    expect(lastUpdate(0, 30_000)).toBe("Last live update less than a minute ago.");
    expect(lastUpdate(0, 4 * 60_000)).toBe("Last live update 4 min ago.");
  });
});

describe("people", () => {
  it("are colleagues beside oneself, by name, and no visitors", () => {
    const members = [
      member("staff:3", "Cem"),
      member("visitor:9", ""),
      member("staff:1", "Ana"),
      member("staff:2", "Ben"),
    ];
    expect(colleagues(members, "1")).toEqual([
      { id: "2", name: "Ben" },
      { id: "3", name: "Cem" },
    ]);
    expect(isPresent(members, visitorKey("9"))).toBe(true);
    expect(isPresent(members, staffKey("9"))).toBe(false);
  });

  it("are named in a sentence", () => {
    const people = ["Ben", "Cem", "Dee"].map((name) => ({ name }));
    expect([0, 1, 2, 3].map((count) => named(people.slice(0, count)))).toEqual([
      "",
      "Ben",
      "Ben and Cem",
      "Ben, Cem and Dee",
    ]);
  });
});

describe("a collision", () => {
  it("is a colleague who writes; a visitor who does is none", () => {
    expect(collisionWith([])).toBeNull();
    expect(collisionWith([{ name: null, writes: "reply" }])).toBeNull();
    expect(collisionWith([{ name: "Ben", writes: "note" }])).toBe("Ben is writing a note.");
  });

  it("with a reply matters more than one with a note", () => {
    const writers = [
      { name: "Ana", writes: "note" as const },
      { name: "Ben", writes: "reply" as const },
      { name: "Cem", writes: "reply" as const },
    ];
    expect(collisionWith(writers)).toBe("Ben and Cem are writing to the visitor.");
  });
});
