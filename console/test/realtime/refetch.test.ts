import type { QueryKey } from "@tanstack/react-query";
import { describe, expect, it, vi } from "vitest";
import { keys } from "../../src/keys";
import { CHART_MS, COUNTER_MS, everyMs, TABLE_MS } from "../../src/realtime/pace";
import { Refetcher } from "../../src/realtime/refetch";
import { TestClock } from "../clock";

const LISTS = keys.lists("acme");
const BUDGET = keys.budget("acme");

function begin(run: (key: QueryKey) => unknown = () => undefined) {
  const clock = new TestClock();
  const throttled = vi.fn();
  const reads: { key: QueryKey; at: number }[] = [];
  const refetcher = new Refetcher({
    run: async (key) => {
      reads.push({ key, at: clock.now() });
      await run(key);
    },
    clock,
    throttled,
  });
  return { clock, throttled, reads, refetcher };
}

/** Asks every 100 ms for `ms`. */
async function storm({ clock, refetcher }: ReturnType<typeof begin>, key: QueryKey, ms: number) {
  for (let passed = 0; passed < ms; passed += 100) {
    void refetcher.ask(key);
    await clock.pass(100);
  }
}

describe("refetching", () => {
  it("reads once for many signals that come together, and counts those that cost nothing", async () => {
    const { clock, throttled, reads, refetcher } = begin();

    for (let n = 0; n < 50; n++) void refetcher.ask(LISTS);
    await clock.pass(10_000);

    expect(reads).toHaveLength(1);
    expect(throttled).toHaveBeenCalledTimes(49);
  });

  it("reads again for a signal that came while it was reading", async () => {
    let state = 0;
    const seen: number[] = [];
    const begun = begin(async () => {
      seen.push(state);
      await new Promise<void>((resolve) => begun.clock.after(200, resolve));
    });

    void begun.refetcher.ask(LISTS);
    await begun.clock.pass(100);
    state = 1;
    void begun.refetcher.ask(LISTS);
    await begun.clock.pass(10_000);

    expect(seen).toEqual([0, 1]);
    expect(begun.throttled).not.toHaveBeenCalled();
  });

  it("reads a counter at once and then at most every 400 ms, and the last change in the end", async () => {
    let state = 0;
    const seen: number[] = [];
    const begun = begin(() => seen.push(state));

    for (; state < 100; state++) {
      void begun.refetcher.ask(LISTS);
      await begun.clock.pass(20);
    }
    void begun.refetcher.ask(LISTS);
    await begun.clock.pass(1_000);

    expect(begun.reads[0]?.at).toBe(1_015);
    expect(seen.at(-1)).toBe(100);
    expect(seen.length).toBeLessThanOrEqual(2_000 / COUNTER_MS + 2);
  });

  it("reads a chart at once and then at most every 5 s, and the last change in the end", async () => {
    const begun = begin();

    await storm(begun, BUDGET, 12_000);
    await begun.clock.pass(CHART_MS);

    const at = begun.reads.map((read) => read.at - 1_015);
    expect(at).toEqual([0, 5_000, 10_000, 15_000]);
    expect(begun.throttled.mock.calls.length + at.length).toBe(12_000 / 100);
  });

  it("does not let a chart hold up a counter", async () => {
    const { clock, reads, refetcher } = begin();
    void refetcher.ask(BUDGET);
    await clock.pass(100);
    void refetcher.ask(BUDGET);

    void refetcher.ask(LISTS);
    await clock.pass(100);

    expect(reads.map(({ key }) => key)).toEqual([BUDGET, LISTS]);
  });

  it("tells each who asks when the reading that serves them is done", async () => {
    const done: string[] = [];
    const begun = begin(() => new Promise<void>((resolve) => begun.clock.after(100, resolve)));

    void begun.refetcher.ask(LISTS).then(() => done.push("first"));
    await begun.clock.pass(50);
    void begun.refetcher.ask(LISTS).then(() => done.push("second"));
    await begun.clock.pass(100);
    expect(done).toEqual(["first"]);

    await begun.clock.pass(1_000);
    expect(done).toEqual(["first", "second"]);
  });

  it("goes on after a reading that failed", async () => {
    let fails = true;
    const begun = begin(() => {
      if (fails) throw new Error("unreachable");
    });

    const first = begun.refetcher.ask(LISTS);
    await begun.clock.pass(1_000);
    await first;
    fails = false;
    void begun.refetcher.ask(LISTS);
    await begun.clock.pass(1_000);

    expect(begun.reads).toHaveLength(2);
  });
});

describe("the pace", () => {
  it("is that of a counter, a table or a chart", () => {
    expect(everyMs(keys.list("acme", "waiting"))).toBe(COUNTER_MS);
    expect(everyMs(keys.thread("acme", "c1"))).toBe(COUNTER_MS);
    expect(everyMs(keys.documentsOf("acme", "file"))).toBe(TABLE_MS);
    expect(everyMs(keys.crawls("acme"))).toBe(TABLE_MS);
    expect(everyMs(keys.budget("acme"))).toBe(CHART_MS);
    expect(everyMs(["org", "acme", "something new"])).toBe(TABLE_MS);
  });
});
