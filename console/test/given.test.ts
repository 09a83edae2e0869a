import { describe, expect, it } from "vitest";
import {
  affectedText,
  batches,
  NOTICE_CHARS_MAX,
  noticeText,
  toldText,
  untold,
} from "../src/answers/telling";
import {
  cost,
  degradedText,
  duration,
  routeText,
  stepText,
  stretches,
  totalText,
} from "../src/answers/words";
import { affected, step, trace } from "./given";

describe("how an answer came to be, in words", () => {
  it("names the way, and the model where it was one", () => {
    expect(routeText("model", "gpt-x")).toBe("gpt-x wrote it from the passages found.");
    expect(routeText("quotes", "extractive")).toBe("The bot quoted the documents word for word.");
    expect(routeText("teleport", "")).toBe("It was answered by the way “teleport”.");
  });

  it.each([
    ["too_fast", /wrote faster/],
    ["over_budget_visitor", /allowance of this visitor was used up/],
    ["over_budget_org", /allowance of the organisation was used up/],
    ["model_timeout_first", "The model did not begin in time."],
    ["model_rate_limited", "The model took no more requests."],
    ["search_embedding_failed", /could not be searched.*embedding_failed/],
    ["cut_instructions", /began to recite its instructions/],
    ["cut_short", /cut on its way out \(short\)/],
    ["model_struck_by_lightning", /\(model_struck_by_lightning\)/],
  ])("says what %s means, and an unknown reason by its code", (code, words) => {
    expect(degradedText(code)).toMatch(words);
  });

  it("says how a call went, with what the endpoint called it", () => {
    expect(stepText(step())).toBe("Answered");
    expect(stepText(step({ code: "refused", kind: "invalid_api_key" }))).toBe(
      "Refused the request (“invalid_api_key”)",
    );
  });

  it("parts the time into what happened, and leaves out what did not", () => {
    const parts = stretches({ rewritten: null, found: 160, first_text: 900, whole: 2_400 });

    expect(parts.map(({ name, from, to }) => [name, to - from])).toEqual([
      ["Searched the documents", 160],
      ["Waited for the first word", 740],
      ["Wrote", 1_500],
    ]);
  });

  it("counts calls, tokens and cost, and claims no cost where none is known", () => {
    expect(totalText(trace({ steps: [step()] }))).toBe("1 call · 908 tokens · cost 0.0012");
    expect(totalText(trace({ prompt_tokens: 0, completion_tokens: 0, cost: null }))).toBe(
      "No model was called",
    );
  });

  it("writes figures as people read them", () => {
    expect(duration(340)).toBe("340\u00a0ms");
    expect(duration(2_440)).toBe("2.4\u00a0s");
    expect(cost(0.00078)).toBe("0.00078");
    expect(cost(12.3456)).toBe("12.35");
    expect(cost(0)).toBe("0");
  });
});

describe("telling others", () => {
  it("proposes the corrected words without markers, within what may be said", () => {
    expect(noticeText("Within 14 days [1], not 30 [2, 3].")).toMatch(/\n\nWithin 14 days, not 30\.$/);
    expect(noticeText("x".repeat(9_000))).toHaveLength(NOTICE_CHARS_MAX);
  });

  it("counts visitors, not answers", () => {
    const twice = [affected(), affected({ message_id: "m21" })];

    expect(affectedText(twice, false)).toBe("1 other visitor was answered from the same passage");
    expect(affectedText(twice, true)).toBe("1+ other visitors were answered from the same passage");
    expect(affectedText([], false)).toBeNull();
  });

  it("leaves out who was told, and asks for at most a hundred at once", () => {
    const items = [affected(), affected({ message_id: "m21", told: true })];

    expect(untold(items)).toEqual(["m20"]);
    expect(batches(Array.from({ length: 250 }, (_, n) => `${n}`)).map((each) => each.length)).toEqual([
      100, 100, 50,
    ]);
  });

  it("says what came of it", () => {
    expect(toldText(1, 0)).toBe("1 visitor was told.");
    expect(toldText(2, 1)).toBe("2 visitors were told; 1 answer needed no notice of its own.");
    expect(toldText(0, 3)).toBe("Nobody was told anew; 3 answers needed no notice of their own.");
  });
});
