// @vitest-environment node
import { beforeEach, describe, expect, test } from "vitest";
import { TypingTeller, Typists } from "../src/realtime/typing";
import type { Typing } from "../src/wire";
import { FakeClock } from "./clock";

let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});

describe("telling", () => {
  let said: boolean[];
  let teller: TypingTeller;

  beforeEach(() => {
    said = [];
    teller = new TypingTeller(clock, (on) => said.push(on));
  });

  test("says on at most every 2.5 s while keys are pressed, so that the server does not forget us", async () => {
    for (let n = 0; n < 100; n++) {
      teller.key();
      await clock.advance(100);
    }

    expect(said).toEqual([true, true, true, true]);
  });

  test("says off when keys rest for 5 s, and when the message was sent", async () => {
    teller.key();
    await clock.advance(5_000);
    expect(said).toEqual([true, false]);

    teller.key();
    teller.stop();
    teller.stop();
    await clock.advance(60_000);
    expect(said).toEqual([true, false, true, false]);
  });

  test("says nothing more at the end", async () => {
    teller.key();
    teller.end();
    await clock.advance(60_000);

    expect(said).toEqual([true]);
  });
});

describe("hearing", () => {
  let seen: (string | null)[][];
  let typists: Typists;
  const typing = (name: string, on = true): Typing => ({
    conversation_id: "c1",
    kind: "staff",
    name,
    on,
  });

  beforeEach(() => {
    seen = [];
    typists = new Typists(clock, (all) => seen.push(all.map(({ name }) => name)));
  });

  test("each is shown until they stop, or for 5 s after it was said last", async () => {
    typists.hear(typing("Ana"));
    await clock.advance(3_000);
    typists.hear(typing("Ben"));
    typists.hear(typing("Ana"));
    typists.hear(typing("Ben", false));
    await clock.advance(4_999);
    expect(seen.at(-1)).toEqual(["Ana"]);

    await clock.advance(1);
    expect(seen.at(-1)).toEqual([]);
  });

  test("nobody is heard after the end", async () => {
    typists.hear(typing("Ana"));
    typists.end();
    const told = seen.length;

    await clock.advance(60_000);

    expect(seen).toHaveLength(told);
  });
});
