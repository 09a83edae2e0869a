// @vitest-environment node
import { expect, test } from "vitest";
import { ACCENT, accentPair, accentText, contrast } from "../src/app/colour";

const ACCENTS = [
  "#000",
  "#fff",
  "#ff0000",
  "#00ff00",
  "#0000ff",
  "#ffe066",
  "#777777",
  "#767676",
  "#0b7285",
  "#f2b705",
  "#3b5bdb",
];

test.each(ACCENTS)("%s has text on it and beside it that can be read", (hex) => {
  const { accent, on } = accentPair(hex);

  expect(contrast(accent, on)).toBeGreaterThanOrEqual(4.5);
  for (const [ground, soft] of [
    ["#ffffff", "#f3f4f7"],
    ["#17191e", "#22252c"],
  ] as const) {
    expect(contrast(accentText(hex, ground), ground)).toBeGreaterThanOrEqual(4.5);
    expect(contrast(accentText(hex, ground), soft)).toBeGreaterThanOrEqual(4.5);
  }
});

test.each([undefined, null, "", "red", "#12", "#1234567", "url(x)", "#ggg"])(
  "%s is not taken as a colour",
  (hex) => {
    expect(accentPair(hex)).toEqual({ accent: ACCENT, on: "#fff" });
  },
);

test("contrast is WCAG's", () => {
  expect(contrast("#000", "#fff")).toBeCloseTo(21, 5);
  expect(contrast("#767676", "#fff")).toBeCloseTo(4.54, 2);
});
