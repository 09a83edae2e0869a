// @vitest-environment node
import { beforeEach, describe, expect, test, vi } from "vitest";
import { CallError, Realtime } from "../src/realtime/client";
import { Seen } from "../src/realtime/seen";
import { TOPICS_MAX, type TopicListener } from "../src/realtime/topics";
import { FakeClock, settle } from "./clock";
import { FakeServer, signal } from "./transport";

let clock: FakeClock;
let server: FakeServer;
let tokens: boolean[];
let realtime: Realtime;

function listener(): TopicListener & {
  signals: string[];
  refetches: string[];
  refusals: string[];
} {
  const heard = { signals: [] as string[], refetches: [] as string[], refusals: [] as string[] };
  return {
    ...heard,
    signal: ({ id }) => heard.signals.push(id),
    refetch: (why) => heard.refetches.push(why),
    refused: (code) => heard.refusals.push(code),
  };
}

async function connected(): Promise<void> {
  realtime.start();
  await settle();
  server.open();
  await settle();
}

beforeEach(() => {
  clock = new FakeClock();
  server = new FakeServer();
  tokens = [];
  realtime = new Realtime({
    connect: server.transport,
    clock,
    auth: async (fresh) => {
      tokens.push(fresh);
      return { token: `token-${tokens.length}` };
    },
  });
});

describe("topics", () => {
  test("joins of one turn go out as one call, and each listener reads its state once joined", async () => {
    const [one, two] = [listener(), listener()];
    realtime.join("a", one);
    realtime.join("b", two);

    await connected();

    expect(server.callsOf("subscribe")).toEqual([{ topics: ["a", "b"] }]);
    expect([one.refetches, two.refetches]).toEqual([["joined"], ["joined"]]);
  });

  test("a topic is left when its last listener leaves", async () => {
    const leaveFirst = realtime.join("a", listener());
    const leaveSecond = realtime.join("a", listener());
    await connected();

    leaveFirst();
    await settle();
    expect(server.callsOf("unsubscribe")).toEqual([]);

    leaveSecond();
    await settle();
    expect(server.callsOf("unsubscribe")).toEqual([{ topics: ["a"] }]);
  });

  test("leaving and coming back in one turn costs nothing", async () => {
    const one = listener();
    const leave = realtime.join("a", one);
    await connected();

    leave();
    realtime.join("a", one);
    await settle();

    expect(server.callsOf("unsubscribe")).toEqual([]);
    expect(server.callsOf("subscribe")).toHaveLength(1);
    expect(one.refetches).toEqual(["joined", "joined"]);
  });

  test("a refused topic is told with its code", async () => {
    server.answers["subscribe"] = () => ({
      topics: { a: "not_found" },
      epoch: "e1",
      cur: "c0",
      missed: [],
      reset: false,
    });
    const one = listener();
    realtime.join("a", one);

    await connected();

    expect(one.refusals).toEqual(["not_found"]);
    expect(one.refetches).toEqual([]);
  });

  test("one topic too many is refused without asking the server", () => {
    for (let n = 0; n < TOPICS_MAX; n++) realtime.join(`t${n}`, listener());
    const late = listener();

    realtime.join("one more", late);

    expect(late.refusals).toEqual(["too_many_topics"]);
  });
});

describe("signals", () => {
  test("are heard once, however often they come", async () => {
    const one = listener();
    realtime.join("a", one);
    await connected();

    server.send("signal", signal("s1", "a"));
    server.send("signal", signal("s1", "a"));
    server.send("signal", signal("s2", "a"));

    expect(one.signals).toEqual(["s1", "s2"]);
  });

  test("ids are remembered up to 1,000 and then the newer 500", () => {
    const seen = new Seen();

    for (let n = 0; n <= 1_000; n++) seen.add(`${n}`);

    expect(seen.size).toBe(500);
    expect(seen.add("1000")).toBe(false);
    expect(seen.add("0")).toBe(true);
  });
});

describe("a gap", () => {
  test("is closed with the signals after the cursor, without reading everything again", async () => {
    const one = listener();
    realtime.join("a", one);
    await connected();
    server.send("signal", signal("s1", "a"));

    server.lose();
    server.answers["subscribe"] = () => ({
      topics: { a: "ok" },
      epoch: "e1",
      cur: "c9",
      missed: [signal("s1", "a"), signal("s2", "a")],
      reset: false,
    });
    await clock.advance(1_000);
    server.open();
    await settle();

    expect(server.callsOf("subscribe")[1]).toEqual({
      topics: ["a"],
      cursor: { epoch: "e1", cur: "after-s1" },
    });
    expect(one.signals).toEqual(["s1", "s2"]);
    expect(one.refetches).toEqual(["joined"]);
  });

  test("that the server cannot close makes everyone read anew", async () => {
    const one = listener();
    realtime.join("a", one);
    await connected();

    server.lose();
    server.answers["subscribe"] = () => ({
      topics: { a: "ok" },
      epoch: "e2",
      cur: "c1",
      missed: [],
      reset: true,
    });
    await clock.advance(1_000);
    server.open();
    await settle();

    expect(one.refetches).toEqual(["joined", "reset"]);
  });

  test("is not forgotten when the link breaks again before it was closed", async () => {
    const one = listener();
    realtime.join("a", one);
    await connected();
    server.send("signal", signal("s1", "a"));
    server.lose();
    await clock.advance(1_000);
    server.answers["subscribe"] = () => new Promise(() => undefined);
    server.open();
    await settle();

    server.send("signal", signal("s7", "a")); // a live one, past what is still missing
    server.lose();
    await clock.advance(2_000);
    server.open();
    await settle();

    expect(server.callsOf("subscribe").at(-1)).toEqual({
      topics: ["a"],
      cursor: { epoch: "e1", cur: "after-s1" },
    });
  });

  test("a topic joined later neither carries nor moves the cursor", async () => {
    realtime.join("a", listener());
    await connected();
    server.send("signal", signal("s1", "a"));

    realtime.join("b", listener());
    await settle();
    expect(server.callsOf("subscribe")[1]).toEqual({ topics: ["b"] });

    server.lose();
    await clock.advance(1_000);
    server.open();
    await settle();
    expect(server.callsOf("subscribe")[2]).toEqual({
      topics: ["a", "b"],
      cursor: { epoch: "e1", cur: "after-s1" },
    });
  });
});

describe("the connection", () => {
  test("comes back after 0.5 to 1 s, doubling to at most 15 s", async () => {
    realtime.start();
    await settle();
    const waits: (number | null)[] = [];

    for (let n = 0; n < 6; n++) {
      server.lose();
      waits.push(clock.next_ms);
      await clock.advance(clock.next_ms ?? 0);
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 7_500, 7_500]);

    clock.chance = 0.999999;
    server.lose();
    expect(clock.next_ms).toBeCloseTo(15_000, 0);
  });

  test("starts over with short waits once it was joined", async () => {
    realtime.join("a", listener());
    realtime.start();
    await settle();
    for (let n = 0; n < 4; n++) {
      server.lose();
      await clock.advance(8_000);
    }
    server.open();
    await settle();

    server.lose();

    expect(clock.next_ms).toBe(500);
  });

  test("a server that takes the link and drops it is not hammered", async () => {
    realtime.join("a", listener());
    server.answers["subscribe"] = () => Promise.reject(new Error("no answer"));
    realtime.start();
    await settle();
    const waits: (number | null)[] = [];

    for (let n = 0; n < 4; n++) {
      server.open();
      await settle();
      waits.push(clock.next_ms);
      await clock.advance(clock.next_ms ?? 0);
    }

    expect(waits).toEqual([500, 1_000, 2_000, 4_000]);
  });

  test("tells its status: connecting, connected, disconnected, suspended after two minutes", async () => {
    const seen: string[] = [realtime.status];
    realtime.onStatus((status) => seen.push(status));
    await connected();

    server.lose();
    for (let n = 0; n < 20; n++) {
      await clock.advance(clock.next_ms ?? 0);
      server.lose();
    }

    expect(seen).toEqual(["connecting", "connected", "disconnected", "suspended"]);
  });

  test("a refused token gets one fresh one at once, then it is over", async () => {
    const refusal = { code: "not_signed_in", retry: "never" as const, refused: true };
    realtime.start();
    await settle();

    server.lose(refusal);
    expect(clock.next_ms).toBe(0);
    await clock.advance(0);
    expect(tokens).toEqual([false, true]);
    server.lose(refusal);

    expect(realtime.status).toBe("failed");
    expect(clock.next_ms).toBeNull();
  });

  test("a refusal that may pass is tried again with patience", async () => {
    realtime.start();
    await settle();

    server.lose({ code: "too_many_connections", retry: "backoff", refused: true });

    expect(realtime.status).toBe("disconnected");
    expect(clock.next_ms).toBe(500);
  });

  test("a token that cannot be had is asked for again", async () => {
    const auth = vi
      .fn()
      .mockRejectedValueOnce(new Error("offline"))
      .mockResolvedValue({ token: "t" });
    realtime = new Realtime({ connect: server.transport, clock, auth });
    realtime.start();
    await settle();
    expect(realtime.status).toBe("disconnected");

    await clock.advance(1_000);

    expect(server.token).toBe("t");
  });

  test("retry goes at once", async () => {
    await connected();
    server.lose();

    realtime.retry();
    await settle();

    expect(server.links).toHaveLength(2);
  });

  test("what an older link still says is ignored", async () => {
    const one = listener();
    realtime.join("a", one);
    await connected();
    const old = server.links[0];
    server.lose();
    await clock.advance(1_000);
    server.open();
    await settle();

    old?.events.event("signal", signal("ghost", "a"));
    old?.events.lost({ code: null, retry: "backoff", refused: false });

    expect(one.signals).toEqual([]);
    expect(realtime.status).toBe("connected");
  });

  test("after stop nothing is tried any more", async () => {
    await connected();

    realtime.stop();
    await clock.advance(60_000);

    expect(server.links).toHaveLength(1);
    expect(realtime.status).toBe("disconnected");
  });
});

describe("the token", () => {
  beforeEach(() => {
    let made = 0;
    const auth = async (): Promise<{ token: string; expires_at: string }> => ({
      token: `t${++made}`,
      expires_at: new Date(clock.now() + 60_000).toISOString(),
    });
    realtime = new Realtime({ connect: server.transport, clock, auth });
    server.answers["renew"] = () => ({ expires_at: new Date(clock.now() + 60_000).toISOString() });
  });

  test("is renewed before it ends, again and again, on the same link", async () => {
    await connected();

    await clock.advance(48_000);
    expect(server.callsOf("renew")).toEqual([{ token: "t2" }]);
    await clock.advance(48_000);

    expect(server.callsOf("renew")).toEqual([{ token: "t2" }, { token: "t3" }]);
    expect(server.links).toHaveLength(1);
  });

  test("a wrong clock does not make it renew all the time", async () => {
    server.answers["renew"] = () => ({ expires_at: new Date(clock.now() - 300_000).toISOString() });
    await connected();

    await clock.advance(48_000 + 60_000);

    expect(server.callsOf("renew")).toHaveLength(5);
  });
});

describe("a call", () => {
  test("that the server refuses rejects with its code", async () => {
    server.answers["send"] = () => ({
      error: { code: "too_many_requests", message: "Wait.", retry: "backoff" },
    });
    await connected();

    const failure = await realtime.call("send", {}).catch((error: unknown) => error);

    expect(failure).toBeInstanceOf(CallError);
    expect(failure).toMatchObject({
      code: "too_many_requests",
      message: "Wait.",
      retry: "backoff",
    });
  });

  test("without a connection fails at once", async () => {
    await expect(realtime.call("send", {})).rejects.toMatchObject({ code: "not_connected" });
  });

  test("without an acknowledgement times out", async () => {
    await connected();

    await expect(realtime.call("unheard_of", {})).rejects.toMatchObject({ code: "timeout" });
  });
});
