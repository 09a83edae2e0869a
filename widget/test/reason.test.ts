import { beforeEach, expect, test, vi } from "vitest";
import { askReason } from "../src/app/reason";
import { setUpPage } from "./page";

let parent: HTMLElement;

beforeEach(() => {
  setUpPage();
  const host = document.body.appendChild(document.createElement("div"));
  parent = host.attachShadow({ mode: "open" }).appendChild(document.createElement("div"));
});

const presets = (): HTMLButtonElement[] => [
  ...parent.querySelectorAll<HTMLButtonElement>(".presets button"),
];
const pressed = (): (string | null)[] => presets().map((each) => each.getAttribute("aria-pressed"));
const words = (): HTMLTextAreaElement => parent.querySelector("textarea") as HTMLTextAreaElement;
const submit = (): void => parent.querySelector<HTMLButtonElement>("[type=submit]")?.click();

test("one preset at a time, chosen with one press and left with a second", () => {
  askReason(parent, "en", vi.fn());

  presets()[0]?.click();
  presets()[2]?.click();
  expect(pressed()).toEqual(["false", "false", "true", "false"]);

  presets()[2]?.click();
  expect(pressed()).toEqual(["false", "false", "false", "false"]);
});

test("is asked in the visitor's language and told with the preset in English", () => {
  const done = vi.fn();
  askReason(parent, "de", done);
  expect(parent.querySelector("form")?.getAttribute("aria-label")).toBe("Was war nicht gut?");
  expect(presets().map((each) => each.textContent)).toContain("Nicht vollständig");

  presets()[1]?.click();
  words().value = "Der Preis fehlt.";
  submit();

  expect(done).toHaveBeenCalledWith("Not complete: Der Preis fehlt.");
});

test("words alone will do, and are never more than 500 characters", () => {
  const done = vi.fn();
  askReason(parent, "en", done);
  expect(words().maxLength).toBe(500);

  presets()[0]?.click();
  words().value = "x".repeat(600);
  submit();

  const [reason] = done.mock.calls[0] as [string];
  expect(reason).toHaveLength(500);
  expect(reason.startsWith("Not correct: xxx")).toBe(true);
});

test("nothing chosen and nothing written is no reason", () => {
  const done = vi.fn();
  askReason(parent, "en", done);

  submit();

  expect(done).toHaveBeenCalledWith(null);
});

test("brings its looks into the shadow root once, and nothing to the page", () => {
  const root = parent.getRootNode() as ShadowRoot;
  root.adoptedStyleSheets = [];

  askReason(parent, "en", vi.fn());
  askReason(parent, "en", vi.fn());

  expect(root.adoptedStyleSheets).toHaveLength(1);
  expect(document.head.querySelector("style, link")).toBeNull();
});
