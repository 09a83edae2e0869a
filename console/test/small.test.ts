import { afterEach, describe, expect, it, vi } from "vitest";
import { problemWith } from "../src/knowledge/files";
import { setPreference } from "../src/preferences";
import { shortcutFor } from "../src/shell/shortcuts";
import { age, bytes } from "../src/times";

describe("a file", () => {
  it("is refused before it travels when it is empty or too large", () => {
    expect(problemWith({ size: 0 })).toBe("The file is empty.");
    expect(problemWith({ size: 20_000_001 })).toContain("at most 20.0 MB");
    expect(problemWith({ size: 20_000_000 })).toBeNull();
  });
});

describe("a shortcut", () => {
  afterEach(() => document.body.replaceChildren());
  const act = vi.fn();
  const pressed = (key: string, where: Element = document.body, more: KeyboardEventInit = {}) => {
    let found: unknown;
    const listen = (event: KeyboardEvent): void => {
      found = shortcutFor(event, { r: act, Escape: act });
    };
    window.addEventListener("keydown", listen);
    where.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, ...more }));
    window.removeEventListener("keydown", listen);
    return found;
  };

  it("acts on the page, not while one types, in a dialog, or with Ctrl", () => {
    const field = document.body.appendChild(document.createElement("textarea"));
    const dialog = document.body.appendChild(document.createElement("div"));
    dialog.setAttribute("role", "dialog");

    expect(pressed("r")).toBe(act);
    expect(pressed("r", field)).toBeUndefined();
    expect(pressed("r", dialog)).toBeUndefined();
    expect(pressed("r", document.body, { ctrlKey: true })).toBeUndefined();
  });

  it("can be switched off, Escape apart", () => {
    setPreference("shortcuts", false);

    expect(pressed("r")).toBeUndefined();
    expect(pressed("Escape")).toBe(act);

    setPreference("shortcuts", true);
  });
});

describe("figures", () => {
  it("are short", () => {
    expect([0, 59_000, 60_000, 7_200_000, 3 * 86_400_000].map((ms) => age(0, ms))).toEqual([
      "now",
      "now",
      "1 min",
      "2 h",
      "3 d",
    ]);
    expect(age(10, 0)).toBe("now");
    expect([12, 482_883, 2_904_266].map(bytes)).toEqual(["12 B", "483 KB", "2.9 MB"]);
  });
});
