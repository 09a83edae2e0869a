// @vitest-environment node
/** Versions, switched-off kinds, refusals, and listeners that misbehave. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import { TOPICS_MAX } from "../src/realtime/topics";
import { settle } from "./clock";
import { Line, listener } from "./line";
import { signal } from "./transport";

let line: Line;

beforeEach(() => {
  line = new Line();
});

describe("the version", () => {
  test("of what is shown already is not told; a later one and one without is", async () => {
    const one = listener({ shows: () => 7 });
    const other = listener();
    line.realtime.join("a", one);
    line.realtime.join("a", other);
    await line.connected();

    line.server.send("signal", signal("s6", "a", { version: 6 }));
    line.server.send("signal", signal("s7", "a", { version: 7 }));
    line.server.send("signal", signal("s8", "a", { version: 8 }));
    line.server.send("signal", signal("s0", "a", { version: null }));

    expect(one.signals).toEqual(["s8", "s0"]);
    expect(other.signals).toEqual(["s6", "s7", "s8", "s0"]);
  });

  test("holds for signals that were missed as well", async () => {
    const one = listener({ shows: () => 7 });
    line.realtime.join("a", one);
    await line.connected();
    line.server.lose();
    const missed = [signal("s7", "a", { version: 7 }), signal("s8", "a", { version: 8 })];
    line.subscribed({}, { missed });

    await line.clock.advance(1_000);
    await line.open();

    expect(one.signals).toEqual(["s8"]);
  });
});

describe("a kind of topic that is switched off", () => {
  test("is polled, and only it; asked for each minute until it is on again, then read anew", async () => {
    const [paused, live] = [listener(), listener()];
    line.subscribed({ a: "paused" });
    line.realtime.join("a", paused);
    line.realtime.join("b", live);
    await line.connected();
    expect(paused.refetches).toEqual(["joined"]);

    await line.clock.advance(3_000 + 4_500);
    expect(paused.refetches).toEqual(["joined", "poll", "poll"]);
    expect(live.refetches).toEqual(["joined"]);
    expect(paused.refusals).toEqual([]);

    line.subscribed({});
    await line.clock.advance(60_000);
    const polls = paused.refetches.length;
    expect(paused.refetches.at(-1)).toBe("reset");
    await line.clock.advance(60_000);
    expect(paused.refetches).toHaveLength(polls);
    expect(live.refetches).toEqual(["joined"]);
  });

  test("while we hear it: told, we ask again, and poll it from then on", async () => {
    const one = listener();
    line.realtime.join("a", one);
    await line.connected();

    line.subscribed({ a: "paused" });
    line.notice("signals_paused", "refetch");
    await line.clock.advance(3_000);
    expect(one.refetches).toEqual(["joined", "poll"]);

    line.subscribed({});
    line.notice("signals_resumed", "refetch");
    await line.clock.advance(60_000);
    expect(one.refetches).toEqual(["joined", "poll", "reset"]);
  });

  test("is not taken for followed after a lost connection, though the cursor went on", async () => {
    const [paused, live] = [listener(), listener()];
    line.subscribed({ a: "paused" });
    line.realtime.join("a", paused);
    line.realtime.join("b", live);
    await line.connected();
    line.server.send("signal", signal("s9", "b"));
    line.server.lose();
    line.subscribed({});

    await line.clock.advance(1_000);
    await line.open();

    expect(line.server.callsOf("subscribe").at(-1)).toMatchObject({ cursor: { cur: "after-s9" } });
    expect(paused.refetches).toEqual(["joined", "reset"]);
    expect(live.refetches).toEqual(["joined"]);
  });
});

describe("paused topics", () => {
  beforeEach(() => line.subscribed({ a: "paused" }));

  test("are named, until they are on again or nobody listens", async () => {
    const paused = (): readonly string[] => line.realtime.stats().paused;
    line.realtime.join("b", listener());
    const leave = line.realtime.join("a", listener());
    await line.connected();
    expect(paused()).toEqual(["a"]);

    leave();
    await settle();
    expect(paused()).toEqual([]);

    line.realtime.join("a", listener());
    await settle();
    expect(paused()).toEqual(["a"]);
    line.subscribed({});
    await line.clock.advance(60_000);
    expect(paused()).toEqual([]);
  });

  test("that were left leave no timer behind", async () => {
    const leave = line.realtime.join("a", listener());
    await line.connected();

    leave();
    await settle();

    expect(line.clock.next_ms).toBeNull();
  });

  test("are asked for each minute, however many others are joined meanwhile", async () => {
    line.realtime.join("a", listener());
    await line.connected();

    for (let n = 0; n < 4; n++) {
      await line.clock.advance(15_000);
      line.realtime.join(`b${n}`, listener());
    }
    await settle();

    const asked = line.server.callsOf("subscribe").filter(({ topics }) => {
      return (topics as string[]).includes("a");
    });
    expect(asked).toHaveLength(2);
  });

  test("are read soon when somebody waits for news", async () => {
    const one = listener();
    line.realtime.join("a", one);
    await line.connected();
    await line.clock.advance(59_000);
    const before = one.refetches.length;

    line.realtime.hurry();
    await line.clock.advance(3_000);

    expect(one.refetches).toHaveLength(before + 1);
  });

  test("do not put off others whose call came too often", async () => {
    const error = { code: "too_many_requests", message: "", retry: "backoff", retry_after_s: 1 };
    const { subscribe } = line.server.answers;
    let reply: () => void = () => undefined;
    line.server.answers["subscribe"] = async (asked) => {
      if ((asked["topics"] as string[]).includes("b")) return { error };
      await new Promise<void>((told) => (reply = told));
      return subscribe?.(asked);
    };
    const other = listener();
    await line.connected();
    line.realtime.join("a", listener());
    await settle();
    line.realtime.join("b", other);
    await settle();
    line.subscribed({ a: "paused" });

    reply();
    await line.clock.advance(5_000);

    expect(other.refetches).toEqual(["joined"]);
  });
});

describe("a topic that was refused", () => {
  test("is asked for again when somebody else wants it", async () => {
    const [first, second] = [listener(), listener()];
    line.subscribed({ a: "not_found" });
    line.realtime.join("a", first);
    await line.connected();

    line.realtime.join("a", second);
    await settle();
    expect(second.refusals).toEqual(["not_found"]);

    line.subscribed({});
    line.realtime.join("a", listener());
    await settle();
    expect([first.refetches, second.refetches]).toEqual([["joined"], ["joined"]]);
  });
});

describe("what the server says of everything", () => {
  test.each(["access_changed", "signals_lost"])(
    "%s makes us ask again what we may hear, and read what is left",
    async (code) => {
      const [kept, lost] = [listener(), listener()];
      line.realtime.join("a", kept);
      line.realtime.join("b", lost);
      await line.connected();
      line.server.send("signal", signal("s1", "a"));

      line.subscribed({ b: "not_found" });
      line.notice(code, "refetch");
      await settle();

      expect(line.server.callsOf("subscribe")[1]).toEqual({ topics: ["a", "b"] });
      expect(kept.refetches).toEqual(["joined", "reset"]);
      expect(lost.refusals).toEqual(["not_found"]);
      expect(line.realtime.status).toBe("connected");
    },
  );

  test("a call that came too often is made again on the same connection", async () => {
    const one = listener();
    line.realtime.join("a", one);
    const error = { code: "too_many_requests", message: "", retry: "backoff", retry_after_s: 1 };
    line.server.answers["subscribe"] = () => ({ error });
    await line.connected();
    expect(line.realtime.status).toBe("connected");

    line.subscribed({});
    await line.clock.advance(1_500);

    expect(line.server.links).toHaveLength(1);
    expect(one.refetches).toEqual(["joined"]);
  });

  test("the cursor goes on also when that was the call for everything", async () => {
    const error = { code: "too_many_requests", message: "", retry: "backoff", retry_after_s: 1 };
    const { subscribe } = line.server.answers;
    let reply: () => void = () => undefined;
    line.server.answers["subscribe"] = async (asked) => {
      if (!(asked["topics"] as string[]).includes("a")) return subscribe?.(asked);
      await new Promise<void>((told) => (reply = told));
      return { error };
    };
    line.realtime.join("a", listener());
    await line.connected();
    line.realtime.join("b", listener());
    await settle();
    line.subscribed({});
    reply();
    await line.clock.advance(1_500);
    line.server.send("signal", signal("s1", "a"));

    line.server.lose();
    await line.clock.advance(1_000);
    await line.open();

    expect(line.server.callsOf("subscribe").at(-1)).toMatchObject({ cursor: { cur: "after-s1" } });
  });

  test("a call that is refused for good is not repeated", async () => {
    const one = listener();
    line.realtime.join("a".repeat(101), one);
    const error = { code: "invalid_request", message: "", retry: "never" };
    line.server.answers["subscribe"] = () => ({ error });
    await line.connected();

    await line.clock.advance(600_000);

    expect(one.refusals).toEqual(["invalid_request"]);
    expect(line.server.callsOf("subscribe")).toHaveLength(1);
  });
});

describe("listeners", () => {
  test("one that fails keeps nothing from the others", async () => {
    const told = vi.fn();
    process.once("uncaughtException", told);
    const bad = listener({
      signal: () => {
        throw new Error("theirs");
      },
    });
    const good = listener();
    line.realtime.join("a", bad);
    line.realtime.join("a", good);
    await line.connected();

    line.server.send("signal", signal("s1", "a"));
    await settle();

    expect(good.signals).toEqual(["s1"]);
    expect(line.realtime.status).toBe("connected");
    expect(told).toHaveBeenCalledTimes(1);
  });

  test("one that joined twice is told twice, and stays until it left twice", async () => {
    const one = listener();
    const leave = line.realtime.join("a", one);
    const leaveAgain = line.realtime.join("a", one);
    await line.connected();

    leave();
    line.server.send("signal", signal("s1", "a"));
    await settle();
    expect(one.signals).toEqual(["s1"]);
    expect(line.server.callsOf("unsubscribe")).toEqual([]);

    leaveAgain();
    await settle();
    expect(line.server.callsOf("unsubscribe")).toEqual([{ topics: ["a"] }]);
  });

  test("the place of a topic that is left is free in the same turn", async () => {
    const leaves = Array.from({ length: TOPICS_MAX }, (_, n) =>
      line.realtime.join(`t${n}`, listener()),
    );
    await line.connected();
    const late = listener();

    leaves[0]?.();
    line.realtime.join("late", late);
    await settle();

    expect(late.refetches).toEqual(["joined"]);
    expect(line.server.calls.slice(-2)).toEqual([
      { event: "unsubscribe", payload: { topics: ["t0"] } },
      { event: "subscribe", payload: { topics: ["late"] } },
    ]);
  });

  test("nothing is asked of the server before somebody listens", async () => {
    await line.connected();

    expect(line.server.calls).toEqual([]);
  });
});

describe("the page, seen again", () => {
  test("what was read more than half a minute ago is read anew, once", async () => {
    const [old, young] = [listener(), listener()];
    line.realtime.join("a", old);
    await line.connected();
    await line.clock.advance(30_001);
    line.realtime.join("b", young);
    await settle();

    line.page.say("shown");
    line.page.say("shown");
    await settle();

    expect(old.refetches).toEqual(["joined", "focus"]);
    expect(young.refetches).toEqual(["joined"]);
  });
});
