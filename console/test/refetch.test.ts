import { describe, expect, it } from "vitest";
import { Refetcher } from "../src/refetch";
import { TestClock } from "./clock";

describe("refetching", () => {
  it("reads once for many signals that come together", async () => {
    const clock = new TestClock();
    const reads: unknown[] = [];
    const refetcher = new Refetcher(async (key) => reads.push(key), clock);

    for (let n = 0; n < 50; n++) refetcher.ask(["list"]);
    await clock.pass(5_000);

    expect(reads).toEqual([["list"]]);
  });

  it("reads again for a signal that came while it was reading", async () => {
    const clock = new TestClock();
    let state = 0;
    const seen: number[] = [];
    const refetcher = new Refetcher(async () => {
      seen.push(state);
      await new Promise<void>((resolve) => clock.after(200, resolve));
    }, clock);

    refetcher.ask(["list"]);
    await clock.pass(100);
    state = 1;
    refetcher.ask(["list"]);
    await clock.pass(5_000);

    expect(seen).toEqual([0, 1]);
  });

  it("reads at most every 400 ms under a storm, and the last change is read in the end", async () => {
    const clock = new TestClock();
    let state = 0;
    const seen: number[] = [];
    const refetcher = new Refetcher(async () => seen.push(state), clock);

    for (; state < 100; state++) {
      refetcher.ask(["list"]);
      await clock.pass(20);
    }
    refetcher.ask(["list"]);
    await clock.pass(1_000);

    expect(seen.at(-1)).toBe(100);
    expect(seen.length).toBeLessThanOrEqual(2_000 / 400 + 2);
  });

  it("keeps different things apart", async () => {
    const clock = new TestClock();
    const reads: unknown[] = [];
    const refetcher = new Refetcher(async (key) => reads.push(key), clock);

    refetcher.ask(["a"]);
    refetcher.ask(["b"]);
    await clock.pass(1_000);

    expect(reads).toEqual([["a"], ["b"]]);
  });
});
