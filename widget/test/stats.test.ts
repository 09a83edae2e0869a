// @vitest-environment node
/** What a badge shows of the connection, and what the server is told of it. */
import { beforeEach, describe, expect, test } from "vitest";
import { settle } from "./clock";
import { Line, listener } from "./line";
import { signal } from "./transport";

let line: Line;

beforeEach(() => {
  line = new Line();
});

describe("the statistics", () => {
  test("count events, and know the last one and the last error", async () => {
    line.realtime.join("a", listener());
    await line.connected();
    line.server.send("signal", signal("s1", "a"));
    await line.clock.advance(5_000);
    line.server.send("signal", signal("s1", "a"));
    const at = line.clock.now();
    line.server.lose({ code: "too_many_connections", retry: "backoff", refused: true });

    expect(line.realtime.stats()).toEqual({
      status: "disconnected",
      events: 2,
      lastEventAt: at,
      lastError: { code: "too_many_connections", at },
      paused: [],
    });
  });

  test("are the same object until something changes", async () => {
    await line.connected();
    const before = line.realtime.stats();
    await line.clock.advance(60_000);

    expect(line.realtime.stats()).toBe(before);
  });

  test("tell a change of status at once, and a thousand events four times a second at most", async () => {
    line.realtime.join("a", listener());
    await line.connected();
    let told = 0;
    line.realtime.onStats(() => told++);

    for (let n = 0; n < 1_000; n++) {
      line.server.send("signal", signal(`s${n}`, "a"));
      await line.clock.advance(1);
    }
    expect(told).toBeLessThanOrEqual(4);
    expect(told).toBeGreaterThan(0);

    line.server.lose();
    expect(line.realtime.stats()).toMatchObject({ events: 1_000, status: "disconnected" });
    expect(line.realtime.stats().lastError?.code).toBe("network");
  });
});

describe("the status", () => {
  test("climbs down the whole ladder, and up again when somebody asks", async () => {
    const seen: string[] = [];
    line.realtime.onStatus((status) => seen.push(status));
    await line.connected();
    line.server.lose();
    for (let n = 0; n < 20; n++) {
      await line.clock.advance(15_000);
      line.server.lose();
    }
    await line.clock.advance(15_000);
    line.server.lose({ code: "not_signed_in", retry: "never", refused: true });
    await line.clock.advance(15_000);
    line.server.lose({ code: "not_signed_in", retry: "never", refused: true });
    line.realtime.reconnect();
    await settle();
    await line.open();

    expect(seen).toEqual([
      "connected",
      "disconnected",
      "suspended",
      "failed",
      "connecting",
      "connected",
    ]);
  });

  test("a listener that fails does not keep the client from going on", async () => {
    process.once("uncaughtException", () => undefined);
    line.realtime.onStatus(() => {
      throw new Error("theirs");
    });
    await line.connected();

    expect(line.realtime.status).toBe("connected");
  });
});

describe("the report", () => {
  beforeEach(() => {
    line.server.answers["report"] = () => ({});
  });

  test("says what went wrong and what was spared, and the worst there was", async () => {
    await line.connected();
    line.server.lose();
    await line.clock.advance(500);
    line.server.lose();
    await line.clock.advance(1_000);
    await line.open();
    line.realtime.countThrottled(3);
    line.realtime.countThrottled();

    await line.clock.advance(60_000);

    expect(line.server.callsOf("report")).toEqual([
      { throttled: 4, errors: { network: 2 }, status: "disconnected" },
    ]);
  });

  test("is sent once a minute at most, and not at all while there is nothing to say", async () => {
    await line.connected();
    await line.clock.advance(600_000);
    expect(line.server.callsOf("report")).toEqual([]);

    for (let n = 0; n < 600; n++) {
      line.realtime.countThrottled();
      await line.clock.advance(1_000);
    }

    const reports = line.server.callsOf("report");
    expect(reports.length).toBeLessThanOrEqual(11);
    const told = reports.reduce((sum, each) => sum + Number(each["throttled"]), 0);
    expect(told).toBeGreaterThan(500);
  });

  test("of clients that were lost together does not come together", async () => {
    const first: number[] = [];
    for (const chance of [0.2, 0.5, 0.9]) {
      const each = new Line();
      each.server.answers["report"] = () => ({});
      await each.connected();
      each.server.lose();
      await each.clock.advance(1_000);
      each.clock.chance = chance;
      await each.open();
      const at = each.clock.now();
      while (each.server.callsOf("report").length === 0) await each.clock.advance(1_000);
      first.push(each.clock.now() - at);
    }

    expect(first).toEqual([12_000, 30_000, 54_000]);
  });

  test("has a status of failed once a connection is there again", async () => {
    await line.connected();
    const refusal = { code: "not_signed_in", retry: "never" as const, refused: true };
    line.server.lose(refusal);
    await line.clock.advance(0);
    line.server.lose(refusal);
    line.realtime.reconnect();
    await settle();
    await line.open();

    await line.clock.advance(60_000);

    expect(line.server.callsOf("report")).toEqual([
      { throttled: 0, errors: { not_signed_in: 2 }, status: "failed" },
    ]);
  });

  test("knows nineteen codes and calls the rest other", async () => {
    await line.connected();
    for (let n = 0; n < 30; n++) line.notice(`code_${n}`, "backoff");

    await line.clock.advance(60_000);

    const errors = line.server.callsOf("report")[0]?.["errors"] as Record<string, number>;
    expect(Object.keys(errors)).toHaveLength(20);
    expect(errors["other"]).toBe(11);
  });

  test("counts to a thousand, as far as the server takes it", async () => {
    await line.connected();
    line.realtime.countThrottled(5_000);
    for (let n = 0; n < 1_500; n++) line.notice("unavailable", "backoff");

    await line.clock.advance(60_000);

    expect(line.server.callsOf("report")).toMatchObject([
      { throttled: 1_000, errors: { unavailable: 1_000 } },
    ]);
  });

  test("is not sent again to a server that does not know it", async () => {
    const error = { code: "unknown_event", message: "", retry: "never" };
    line.server.answers["report"] = () => ({ error });
    await line.connected();
    line.realtime.countThrottled();
    await line.clock.advance(60_000);
    line.realtime.countThrottled();

    await line.clock.advance(600_000);

    expect(line.server.callsOf("report")).toHaveLength(1);
  });
});
