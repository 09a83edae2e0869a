import { execFileSync } from "node:child_process";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { App, Shell } from "../src/shell";
import { breathe, setUpPage } from "./page";

type Global = ((verb: string, ...rest: unknown[]) => Promise<unknown>) & { q?: unknown[][] };

let code: string;
let imported: string[];
let app: { [Verb in keyof App]: ReturnType<typeof vi.fn> };
let shell: Shell | null;

beforeAll(() => {
  const options = [
    "--bundle",
    "--format=iife",
    "--target=es2020",
    '--define:APP_PATH="/w/assets/main-x.js"',
  ];
  // Without dynamic import esbuild writes require(), which the test can stand in for.
  options.push("--supported:dynamic-import=false");
  code = execFileSync("node_modules/.bin/esbuild", ["src/loader.ts", ...options], {
    encoding: "utf8",
  });
});

beforeEach(() => {
  setUpPage();
  imported = [];
  shell = null;
  const verb = (): ReturnType<typeof vi.fn> => vi.fn();
  app = {
    open: verb(),
    close: verb(),
    toggle: verb(),
    send: verb(),
    identify: verb(),
    update: verb(),
    shutdown: verb(),
  };
});

afterEach(async () => {
  await chatbot("shutdown");
  delete (window as { Chatbot?: Global }).Chatbot;
});

function load(data: Record<string, string> = { key: "pk_1" }, { fails = false } = {}): void {
  const script = document.createElement("script");
  script.src = "https://chat.test/w/v1/loader.js";
  Object.assign(script.dataset, data);
  Object.defineProperty(document, "currentScript", { value: script, configurable: true });
  const mount = (given: Shell): unknown => ((shell = given), app);
  const require = (path: string): unknown => {
    imported.push(path);
    if (fails) throw new Error("network");
    return { __esModule: true, mount };
  };
  new Function("require", code)(require);
}

const chatbot = (...call: [string, ...unknown[]]): Promise<unknown> =>
  (window as unknown as { Chatbot: Global }).Chatbot(...call);
const host = (): HTMLElement | null => document.querySelector("chatbot-widget");
const button = (): HTMLButtonElement | null => host()?.shadowRoot?.querySelector("button") ?? null;

describe("before anyone asks", () => {
  test("one element with a named button, nothing fetched, nothing stored", async () => {
    load({ key: "pk_1", lang: "de" });
    await breathe();

    expect(document.body.children).toHaveLength(1);
    expect(button()?.getAttribute("aria-label")).toBe("Chat öffnen");
    expect(button()?.getAttribute("aria-haspopup")).toBe("dialog");
    expect(button()?.getAttribute("aria-expanded")).toBe("false");
    expect(imported).toEqual([]);
    expect(localStorage).toHaveLength(0);
  });

  test.each(["pointerenter", "focus", "touchstart"])(
    "the app is fetched once when the visitor comes near (%s)",
    async (near) => {
      load();

      button()?.dispatchEvent(new Event(near));
      button()?.dispatchEvent(new Event(near));
      await breathe();

      expect(imported).toEqual(["https://chat.test/w/assets/main-x.js"]);
      expect(app.open).not.toHaveBeenCalled();
    },
  );

  test("a click opens it, for the visitor", async () => {
    load();

    button()?.click();
    await breathe();

    expect(app.open).toHaveBeenCalledWith(true);
  });

  test("who talked here before gets the app while the page is idle", async () => {
    localStorage.setItem("chatbot:pk_1", "{}");
    load();
    await breathe(20);

    expect(imported).toHaveLength(1);
  });

  test("the accent has a readable colour on it", () => {
    load({ key: "pk_1", accent: "#ffe066" });

    expect(host()?.style.getPropertyValue("--accent")).toBe("#ffe066");
    expect(host()?.style.getPropertyValue("--on-accent")).toBe("#000");
  });

  test("data-autoboot=false waits for boot", async () => {
    load({ key: "pk_1", autoboot: "false" });
    await breathe();
    expect(host()).toBeNull();

    await chatbot("boot");
    expect(host()).not.toBeNull();
  });

  test("data-inline fills its page at once, without a button", async () => {
    load({ key: "pk_1", inline: "" });
    await breathe();

    expect(button()).toBeNull();
    expect(app.open).toHaveBeenCalled();
    expect(shell?.button).toBeNull();
  });
});

describe("as a guest", () => {
  test("included twice it is there once", () => {
    load();
    load();

    expect(document.querySelectorAll("chatbot-widget")).toHaveLength(1);
  });

  test("it survives a body that is replaced or emptied", async () => {
    load();
    const before = host();

    document.documentElement.replaceChild(document.createElement("body"), document.body);
    await breathe();
    expect(host()).toBe(before);

    document.body.replaceChildren();
    await breathe();
    expect(host()).toBe(before);
  });

  test("shutdown takes everything away, the kept session too", async () => {
    load();
    await chatbot("open");
    localStorage.setItem("chatbot:pk_1", "{}");
    sessionStorage.setItem("chatbot:pk_1", "open");

    await chatbot("shutdown");
    await breathe();

    expect(app.shutdown).toHaveBeenCalled();
    expect(host()).toBeNull();
    expect([localStorage, sessionStorage].map(({ length }) => length)).toEqual([0, 0]);
    document.body.append("the page goes on");
    await breathe();
    expect(host()).toBeNull();
  });

  test("after shutdown it can be booted again, with another key", async () => {
    load();
    await chatbot("shutdown");

    await chatbot("boot", { key: "pk_2" });
    await chatbot("open");

    expect(shell?.key).toBe("pk_2");
  });

  test("in an old browser it is a link", () => {
    setUpPage({ sheets: false });
    load();

    expect(document.querySelector("a")?.href).toBe("https://chat.test/chat/pk_1");
  });
});

describe("the global", () => {
  test("calls made before it was there are carried out in order", async () => {
    const heard: unknown[] = [];
    const stub = Object.assign(() => undefined, {
      q: [
        ["on", "open", (detail: unknown) => heard.push(detail)],
        ["update", { accent: "#ff0000" }],
        ["send", "hi"],
      ],
    });
    (window as unknown as { Chatbot: unknown }).Chatbot = stub;

    load();
    await breathe();
    shell?.emit("open", 1);
    await breathe();

    expect(app.send).toHaveBeenCalledWith("hi");
    expect(host()?.style.getPropertyValue("--accent")).toBe("#ff0000");
    expect(heard).toEqual([1]);
  });

  test.each(["open", "toggle", "identify"])("%s loads the app and is passed on", async (verb) => {
    load();

    await chatbot(verb);

    expect(app[verb as "open"]).toHaveBeenCalled();
  });

  test("close and update before the app is there fetch nothing", async () => {
    load();

    await chatbot("close");
    await chatbot("update", { accent: "#123456" });

    expect(imported).toEqual([]);
    expect(host()?.style.getPropertyValue("--accent")).toBe("#123456");
  });

  test("events reach handlers and the window, until off", async () => {
    load();
    await chatbot("open");
    const handler = vi.fn();
    const onWindow = vi.fn();
    window.addEventListener("chatbot:unread", onWindow);
    await chatbot("on", "unread", handler);

    shell?.emit("unread", { count: 2 });
    await breathe();
    await chatbot("off", "unread", handler);
    shell?.emit("unread", { count: 3 });
    await breathe();

    expect(handler.mock.calls).toEqual([[{ count: 2 }]]);
    expect(onWindow.mock.calls.map(([event]) => (event as CustomEvent).detail)).toEqual([
      { count: 2 },
      { count: 3 },
    ]);
  });

  test("an app that cannot be fetched is an error event, and a click tries again", async () => {
    const failed = vi.fn();
    window.addEventListener("chatbot:error", failed);
    load({ key: "pk_1" }, { fails: true });

    button()?.click();
    await breathe();
    button()?.click();
    await breathe();

    expect(imported).toHaveLength(2);
    expect((failed.mock.calls[0]?.[0] as CustomEvent).detail).toMatchObject({
      code: "load_failed",
    });
  });

  test("an unknown verb rejects", async () => {
    load();

    await expect(chatbot("dance")).rejects.toThrow("unknown verb dance");
  });
});
