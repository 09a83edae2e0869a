// @vitest-environment node
import { beforeEach, describe, expect, test } from "vitest";
import { type Answer, hasGap, withFrame, withSnapshot } from "../src/realtime/answers";
import { Realtime } from "../src/realtime/client";
import { followAnswers } from "../src/realtime/follow";
import type { AnswerFrame } from "../src/wire";
import { FakeClock, settle } from "./clock";
import { FakeServer } from "./transport";

const start = (mid: string, attempt = 1): AnswerFrame => ({
  event: "answer.start",
  frame: { conversation_id: "c", mid, attempt },
});
const delta = (mid: string, seq: number, text: string, attempt = 1): AnswerFrame => ({
  event: "answer.delta",
  frame: { mid, attempt, seq, text },
});
const end = (mid: string, seq: number, attempt = 1): AnswerFrame => ({
  event: "answer.end",
  frame: { mid, attempt, seq, status: "complete", version: 1 },
});
const after = (...frames: AnswerFrame[]): Answer | null =>
  frames.reduce<Answer | null>(withFrame, null);

describe("frames", () => {
  test("in order make the text", () => {
    const answer = after(start("m1"), delta("m1", 1, "Hel"), delta("m1", 2, "lo"));

    expect(answer).toMatchObject({ mid: "m1", seq: 2, text: "Hello" });
    expect(hasGap(answer)).toBe(false);
  });

  test("that come twice are taken once", () => {
    const answer = after(
      delta("m1", 1, "Hel"),
      delta("m1", 1, "Hel"),
      delta("m1", 2, "lo"),
      delta("m1", 1, "Hel"),
    );

    expect(answer?.text).toBe("Hello");
  });

  test("that come too early wait for the missing ones", () => {
    const gap = after(delta("m1", 1, "a"), delta("m1", 3, "c"), delta("m1", 4, "d"));
    expect(gap?.text).toBe("a");
    expect(hasGap(gap)).toBe(true);

    const whole = withFrame(gap, delta("m1", 2, "b"));
    expect(whole?.text).toBe("abcd");
    expect(hasGap(whole)).toBe(false);
  });

  test("of an older attempt or an older answer change nothing", () => {
    const answer = after(start("m2", 2), delta("m2", 1, "new", 2));

    expect(withFrame(answer, delta("m2", 2, "old", 1))).toBe(answer);
    expect(withFrame(answer, delta("m1", 9, "older"))).toBe(answer);
    expect(withFrame(answer, end("m1", 10))).toBe(answer);
  });

  test("of a new attempt begin again", () => {
    const answer = after(delta("m1", 1, "first try"), start("m1", 2), delta("m1", 1, "second", 2));

    expect(answer).toMatchObject({ attempt: 2, text: "second" });
  });

  test("a snapshot replaces what is behind it and keeps what is ahead", () => {
    const behind = after(delta("m1", 1, "a"), delta("m1", 4, "d"));
    expect(withSnapshot(behind, { mid: "m1", attempt: 1, seq: 3, text: "abc" })?.text).toBe("abcd");

    const ahead = after(delta("m1", 1, "a"), delta("m1", 2, "b"));
    expect(withSnapshot(ahead, { mid: "m1", attempt: 1, seq: 1, text: "a" })?.text).toBe("ab");
  });

  test("any order with repeats gives the same text", () => {
    const words = "one two three four five six seven eight".split(/(?= )/);
    const frames = words.map((word, index) => delta("m1", index + 1, word));
    for (let round = 0; round < 50; round++) {
      const shuffled = [...frames, ...frames].sort((a, b) => hash(round, a) - hash(round, b));

      expect(after(...shuffled)?.text).toBe(words.join(""));
    }
  });
});

describe("following", () => {
  let server: FakeServer;
  let answer: Answer | null;

  beforeEach(async () => {
    server = new FakeServer();
    answer = null;
    const realtime = new Realtime({
      connect: server.transport,
      clock: new FakeClock(),
      auth: async () => ({ token: "t" }),
    });
    followAnswers(realtime, (frame) => (answer = withFrame(answer, frame)));
    realtime.start();
    await settle();
    server.open();
    await settle();
  });

  test("asks for what is missing, once, and closes the gap", async () => {
    server.answers["resume"] = () => ({
      frames: [delta("m1", 1, "a"), delta("m1", 2, "b"), delta("m1", 3, "c")],
    });

    server.send("answer.delta", delta("m1", 2, "b").frame);
    server.send("answer.delta", delta("m1", 3, "c").frame);
    await settle();

    expect(server.callsOf("resume")).toEqual([{ mid: "m1", attempt: 1, after: 0 }]);
    expect(answer?.text).toBe("abc");
  });

  test("asks again at the next frame when the server could not help", async () => {
    server.answers["resume"] = () => ({
      error: { code: "not_found", message: "", retry: "never" },
    });
    server.send("answer.delta", delta("m1", 2, "b").frame);
    await settle();

    server.send("answer.delta", delta("m1", 3, "c").frame);
    await settle();

    expect(server.callsOf("resume")).toHaveLength(2);
    expect(answer?.text).toBe("");
  });
});

function hash(round: number, { frame }: AnswerFrame): number {
  const seq = "seq" in frame ? frame.seq : 0;
  return (Math.sin(seq * 12.9898 + round * 78.233) * 43758.5453) % 1;
}
