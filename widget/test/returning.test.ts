// @vitest-environment node
/** Each way in which the server or the network ends a connection, and when the client comes back. */
import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import { CallError } from "../src/realtime/client";
import { settle } from "./clock";
import { Line, listener } from "./line";
import { signal } from "./transport";

type Retry = "never" | "backoff" | "refetch";

/** Every code that the page on real time lists, with what it tells a program to do. */
const CODES = [
  ...readFileSync("../docs/realtime.md", "utf8").matchAll(
    /^\| `([a-z_]+)`.*? \| (never|backoff|refetch) \|/gm,
  ),
].map(([, code, retry]) => [code, retry] as [string, Retry]);

let line: Line;

beforeEach(() => {
  line = new Line();
});

describe("a server that restarts", () => {
  test.each([
    [0.25, 5_000],
    [0.5, 10_000],
    [0.999, 19_980],
  ])("is left alone for a random part (%d) of the time it names", async (chance, wait_ms) => {
    line.realtime.join("a", listener());
    await line.connected();
    line.clock.chance = chance;

    line.notice("server_restarting", "backoff", 20);
    line.server.lose();

    await line.clock.advance(wait_ms - 1);
    expect(line.server.links).toHaveLength(1);
    await line.clock.advance(1);
    expect(line.server.links).toHaveLength(2);
  });

  test("that names no end of time is believed for five minutes at most", async () => {
    await line.connected();
    line.clock.chance = 0.999;

    line.notice("server_restarting", "backoff", 1e9);
    line.server.lose();

    expect(line.clock.next_ms).toBeLessThanOrEqual(300_000);
  });

  test("also when it refuses who comes back too early", async () => {
    line.realtime.start();
    await settle();
    line.clock.chance = 0.5;

    line.server.lose({
      code: "server_restarting",
      retry: "backoff",
      refused: true,
      retry_after_s: 20,
    });

    expect(line.clock.next_ms).toBe(10_000);
  });
});

describe("a client that is too slow", () => {
  test("comes back at once with its cursor, the second time with patience", async () => {
    line.realtime.join("a", listener());
    await line.connected();
    line.server.send("signal", signal("s1", "a"));

    line.notice("slow_consumer", "backoff");
    line.server.lose();
    expect(line.clock.next_ms).toBe(0);
    await line.clock.advance(0);
    await line.open();
    expect(line.server.callsOf("subscribe")[1]).toEqual({
      topics: ["a"],
      cursor: { epoch: "e1", cur: "after-s1" },
    });

    const waits: (number | null)[] = [];
    for (let n = 0; n < 3; n++) {
      line.notice("slow_consumer", "backoff");
      line.server.lose();
      waits.push(line.clock.next_ms);
      await line.clock.advance(line.clock.next_ms ?? 0);
      await line.open();
    }
    expect(waits).toEqual([1_000, 2_000, 4_000]);
  });

  test("is slow for the first time again after a minute", async () => {
    await line.connected();
    line.notice("slow_consumer", "backoff");
    line.server.lose();
    await line.clock.advance(0);
    await line.open();

    await line.clock.advance(60_000);
    line.notice("slow_consumer", "backoff");
    line.server.lose();

    expect(line.clock.next_ms).toBe(0);
  });
});

describe("a token", () => {
  test("that has ended is replaced by a fresh one at once", async () => {
    await line.connected();

    line.notice("token_expired", "refetch");
    line.server.lose();
    await line.clock.advance(0);

    expect(line.tokens).toEqual([false, true]);
  });

  test("whose session was ended gets one successor; refused again, the client stays away", async () => {
    await line.connected();

    line.notice("not_signed_in", "never");
    line.server.lose();
    await line.clock.advance(0);
    line.server.lose({ code: "not_signed_in", retry: "never", refused: true });

    expect(line.tokens).toEqual([false, true]);
    expect(line.realtime.status).toBe("failed");
    await line.clock.advance(3_600_000);
    expect(line.tokens).toHaveLength(2);
  });

  test("that nobody gives any more ends it too", async () => {
    line.refusal = new CallError("not_signed_in", "", "never");
    line.realtime.start();
    await line.clock.advance(0);

    expect(line.tokens).toEqual([false, true]);
    expect(line.realtime.status).toBe("failed");
    expect(line.realtime.stats().lastError?.code).toBe("not_signed_in");
  });

  test("that does not come is not waited for longer than 20 s", async () => {
    const stuck = new Line();
    stuck.refusal = null;
    let asked = 0;
    const never = (): Promise<never> => {
      asked++;
      return new Promise(() => undefined);
    };
    const { Realtime } = await import("../src/realtime/client");
    const { server, clock, page } = stuck;
    new Realtime({ connect: server.transport, clock, page, auth: never }).start();

    await clock.advance(20_000 + 1_000);

    expect(asked).toBe(2);
  });

  test("a person's wish to try again counts, also after a refusal for good", async () => {
    line.refusal = new CallError("not_signed_in", "", "never");
    line.realtime.start();
    await line.clock.advance(0);
    line.refusal = null;

    line.realtime.reconnect();
    await settle();
    expect(line.realtime.status).toBe("connecting");
    await line.open();

    expect(line.realtime.status).toBe("connected");
  });
});

describe("a server that is full", () => {
  test("is left alone for as long as it says, and a little at random", async () => {
    line.realtime.start();
    await settle();

    line.server.lose({
      code: "too_many_joins",
      retry: "backoff",
      refused: true,
      retry_after_s: 12,
    });

    expect(line.clock.next_ms).toBe(12_500);
  });
});

describe("a call that is not answered", () => {
  test("makes the client ask whether the server is there at all", async () => {
    await line.connected();
    await expect(line.realtime.call("send", {})).rejects.toMatchObject({ code: "timeout" });
    await settle();
    expect(line.server.callsOf("unsubscribe")).toEqual([{ topics: [] }]);
    expect(line.realtime.status).toBe("connected");

    await line.clock.advance(10_000);
    line.server.answers["unsubscribe"] = () => Promise.reject(new Error("no answer"));
    await expect(line.realtime.call("send", {})).rejects.toMatchObject({ code: "timeout" });
    await settle();

    expect(line.realtime.status).toBe("disconnected");
  });
});

describe("the page", () => {
  test("a browser that lost its network is believed at once", async () => {
    await line.connected();

    line.page.say("offline");

    expect(line.realtime.status).toBe("disconnected");
    expect(line.realtime.stats().lastError?.code).toBe("offline");
    expect(line.server.links[0]?.closed).toBe(true);
  });

  test("a browser that was wrong about it costs a second", async () => {
    await line.connected();
    line.page.say("offline");

    await line.clock.advance(1_000);
    await line.open();

    expect(line.realtime.status).toBe("connected");
  });

  test("when the network is back nobody waits", async () => {
    await line.connected();
    line.page.say("offline");
    for (let n = 0; n < 5; n++) {
      await line.clock.advance(line.clock.next_ms ?? 0);
      line.server.lose();
    }
    const before = line.server.links.length;

    line.page.say("online");
    await settle();

    expect(line.server.links).toHaveLength(before + 1);
  });

  test("seen again, it finds out whether a connection that slept is dead", async () => {
    await line.connected();
    line.server.answers["unsubscribe"] = () => Promise.reject(new Error("no answer"));

    line.page.say("shown");
    await settle();

    expect(line.realtime.status).toBe("disconnected");
  });

  test("seen again and again, it asks the server once in ten seconds", async () => {
    await line.connected();

    for (let n = 0; n < 20; n++) {
      line.page.say("shown");
      await line.clock.advance(1_000);
    }

    expect(line.server.callsOf("unsubscribe")).toEqual([{ topics: [] }, { topics: [] }]);
    expect(line.realtime.status).toBe("connected");
  });

  test("seen again, which it is told twice, it asks for one token", async () => {
    await line.connected();
    line.server.lose();
    line.tokens.length = 0;

    line.page.say("shown");
    line.page.say("shown");
    line.realtime.retry();
    await settle();

    expect(line.tokens).toHaveLength(1);
  });

  test("is left alone after stop", async () => {
    await line.connected();
    line.realtime.stop();

    expect(line.page.isWatched).toBe(false);
  });
});

describe("reconnect", () => {
  test("ends the connection there is and goes on from the cursor", async () => {
    const one = listener();
    line.realtime.join("a", one);
    await line.connected();
    line.server.send("signal", signal("s1", "a"));

    line.realtime.reconnect();
    await settle();
    await line.open();

    expect(line.server.links.map(({ closed }) => closed)).toEqual([true, false]);
    expect(line.server.callsOf("subscribe")[1]).toMatchObject({ cursor: { cur: "after-s1" } });
    expect(one.refetches).toEqual(["joined"]);
  });
});

describe("a code of the page on real time", () => {
  test("is there to be found", () => {
    expect(CODES.length).toBeGreaterThan(6);
    expect(CODES).toContainEqual(["slow_consumer", "backoff"]);
  });

  test.each(CODES)("%s does what %s says", async (code, retry) => {
    const one = listener();
    line.realtime.join("a", one);
    await line.connected();

    line.notice(code, retry);
    await settle();
    const isOpen = retry === "refetch" && code !== "token_expired";
    expect(line.server.callsOf("subscribe")).toHaveLength(isOpen ? 2 : 1);
    expect(one.refetches).toEqual(isOpen ? ["joined", "reset"] : ["joined"]);

    line.server.lose();
    const atOnce = retry === "never" || ["token_expired", "slow_consumer"].includes(code);
    expect(line.clock.next_ms).toBe(atOnce ? 0 : 500);
    await line.clock.advance(500);
    expect(line.tokens).toEqual([false, retry === "never" || code === "token_expired"]);

    line.server.lose({ code, retry, refused: true });
    expect(line.realtime.status === "failed").toBe(retry === "never");
  });
});
