import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { mount } from "../src/app/main";
import type { App, Config } from "../src/shell";
import { by, conversation } from "./build";
import { settle } from "./clock";
import { breathe, setUpPage, soon } from "./page";
import { FakeService } from "./service";
import { signal } from "./transport";

let service: FakeService;
let app: App;
let host: HTMLElement;
let events: [string, unknown][];

vi.mock("../src/realtime/socket", () => ({
  socketTransport: () => (token: string, on: never) => service.socket.transport(token, on),
}));

beforeEach(() => {
  service = new FakeService({ now: Date.now });
  vi.stubGlobal("fetch", service.fetch);
  events = [];
});

afterEach(() => {
  app.shutdown();
  host.remove();
  vi.unstubAllGlobals();
});

function start({
  small = false,
  config = {},
  keep = false,
}: { small?: boolean; config?: Config; keep?: boolean } = {}): void {
  setUpPage({ small, keep });
  document.body.innerHTML = "<main><input id=search></main><aside></aside>";
  host = document.body.appendChild(document.createElement("chatbot-widget"));
  const root = host.attachShadow({ mode: "open" });
  const button = root.appendChild(document.createElement("button"));
  button.innerHTML = '<svg><path d="M0 0"></path></svg>';
  const emit = (name: string, detail?: unknown): void => void events.push([name, detail]);
  app = mount({
    origin: "https://chat.test",
    key: "pk",
    config: { lang: "en", ...config },
    host,
    root,
    button,
    emit,
  });
}

/** A visitor who talked here before, with the socket open. */
async function returning(): Promise<void> {
  service.conversations = [conversation()];
  start();
  app.open();
  await soon(() => expect(service.socket.links).toHaveLength(1));
  service.socket.open();
  await soon(() => expect(service.socket.callsOf("subscribe")).not.toEqual([]));
  await settle();
  app.close();
  events = [];
}

async function say(text: string, author: (typeof by)[keyof typeof by]): Promise<void> {
  const { rev } = service.add({ text, author });
  service.socket.send("signal", signal(`s${rev}`, "conversation:c1:messages", { version: rev }));
  await soon(() => expect(root().querySelector(".log")?.textContent).toContain(text.slice(0, 10)));
}

const root = (): ShadowRoot => host.shadowRoot as ShadowRoot;
const button = (): HTMLButtonElement => root().querySelector("button") as HTMLButtonElement;
const panel = (): HTMLElement => root().querySelector("[role=dialog]") as HTMLElement;
const spoken = (): string =>
  [...root().querySelectorAll("[role=status]")].map((each) => each.textContent).join("");
const escape = (): boolean =>
  panel().dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));

describe("opening", () => {
  test("nothing is asked and nothing kept before", async () => {
    start();
    await breathe();

    expect(panel().hidden).toBe(true);
    expect(service.requests).toEqual([]);
    expect([localStorage, sessionStorage].map(({ length }) => length)).toEqual([0, 0]);
  });

  test("by the visitor moves focus to the composer, closing moves it back", async () => {
    start();

    app.toggle(true);
    expect(root().activeElement?.tagName).toBe("TEXTAREA");
    expect(button().getAttribute("aria-expanded")).toBe("true");

    escape();
    expect(panel().hidden).toBe(true);
    expect(root().activeElement).toBe(button());
    expect(events.map(([name]) => name)).toEqual(["open", "close"]);
  });

  test("by the page leaves focus where it is, and so does closing", () => {
    start();
    const search = document.querySelector<HTMLElement>("#search");
    search?.focus();

    app.open();
    expect(document.activeElement).toBe(search);

    app.close();
    expect(document.activeElement).toBe(search);
  });

  test("the site's name and greeting come with the session", async () => {
    start();
    app.open();

    await soon(() => expect(root().querySelector("h2")?.textContent).toBe("Aurora Library"));
    expect(root().querySelector(".greeting")?.textContent).toBe("Hello!");
  });
});

describe("on a small screen", () => {
  test("the panel is modal, the page behind it rests, the title has focus; closing gives all back", () => {
    start({ small: true });

    app.toggle(true);
    expect(panel().getAttribute("aria-modal")).toBe("true");
    expect([...document.body.children].map((each) => (each as HTMLElement).inert ?? false)).toEqual(
      [true, true, false],
    );
    expect(document.documentElement.style.overflow).toBe("hidden");
    expect(root().activeElement?.tagName).toBe("H2");

    app.close();
    expect([...document.body.children].some((each) => (each as HTMLElement).inert)).toBe(false);
    expect(document.documentElement.style.overflow).toBe("");
  });

  test("shutdown gives the page back too", () => {
    start({ small: true });
    app.open();

    app.shutdown();

    expect([...document.body.children].some((each) => (each as HTMLElement).inert)).toBe(false);
    expect(root().querySelector(".app")).toBeNull();
  });
});

describe("the next page in the same tab", () => {
  /** Another page: the app is mounted anew, over what the browser kept. */
  async function next(small = false): Promise<void> {
    const kept = { ...localStorage };
    app.shutdown();
    host.remove();
    for (const [name, value] of Object.entries(kept)) localStorage.setItem(name, `${value}`);
    sessionStorage.setItem("chatbot:pk", "open");
    start({ small, keep: true });
  }

  test("begins with the panel open when it was left open; focus stays where it is", async () => {
    await returning();
    app.open();
    expect(sessionStorage.getItem("chatbot:pk")).toBe("open");

    await next();

    expect(panel().hidden).toBe(false);
    expect(document.activeElement).toBe(document.body);
  });

  test("begins with it closed where it would cover the page", async () => {
    await returning();
    app.open();

    await next(true);

    expect(panel().hidden).toBe(true);
  });

  test("begins with it closed once it was closed, or the visitor is forgotten", async () => {
    await returning();
    app.open();
    app.close();
    expect(sessionStorage).toHaveLength(0);

    app.open();
    app.shutdown();
    expect(sessionStorage).toHaveLength(0);
  });

  test("begins with it closed where the tab keeps nothing", async () => {
    await returning();
    const get = vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
      throw new DOMException("full", "QuotaExceededError");
    });
    app.open();
    get.mockRestore();

    expect(panel().hidden).toBe(false);
    expect(sessionStorage).toHaveLength(0);
  });
});

describe("while closed", () => {
  test("a message is counted on the button, told to the page, and read when opened", async () => {
    await returning();

    await say("hello?", by.staff);
    await soon(() => expect(button().dataset["unread"]).toBe("1"));
    expect(button().getAttribute("aria-label")).toBe("Open chat, 1 unread");
    expect(events).toMatchObject([
      ["message", { message: { text: "hello?" } }],
      ["unread", { count: 1 }],
    ]);

    app.open();
    await soon(() => expect(button().dataset["unread"]).toBe(""));
    expect(events.at(-1)).toEqual(["unread", { count: 0 }]);
  });

  test("who comes back finds what was unread", async () => {
    await returning();
    service.add({ text: "are you there?", author: by.staff });
    app.shutdown();
    host.remove();
    localStorage.clear();

    start();
    localStorage.setItem("chatbot:pk", "{}");
    expect(button().dataset["unread"]).toBe("");
    app.open();
    app.close();

    await soon(() => expect(button().dataset["unread"]).toBe("1"));
  });
});

describe("for a screen reader", () => {
  test("a person's message is read out, a short answer too, a long one is counted", async () => {
    await returning();
    app.open();

    await say("Until six.", by.staff);
    await soon(() => expect(spoken()).toContain("Ana said: Until six."));

    await say("word ".repeat(200), by.assistant);
    await soon(() => expect(spoken()).toContain("Answer ready, 200 words"));
  });
});

describe("an answer that a colleague corrected", () => {
  test("is read out with who did it, and told to the page once only", async () => {
    await returning();
    app.open();
    const text = "Until six.";
    service.add({ text, author: by.assistant, confidence: "answered" });
    service.socket.send("signal", signal("a", "conversation:c1:messages", { version: 1 }));
    await soon(() => expect(spoken()).toContain("Until six."));

    const review = { kind: "corrected" as const, by: "Ana", at: "" };
    service.messages = service.messages.map((each) => ({
      ...each,
      text: "Until eight.",
      review,
      rev: 2,
    }));
    service.socket.send("signal", signal("b", "conversation:c1:messages", { version: 2 }));

    await soon(() => expect(spoken()).toContain("Corrected by Ana Until eight."));
    expect(root().querySelector("article.assistant .text")?.textContent).toBe("Until eight.");
    expect(events.filter(([name]) => name === "message")).toHaveLength(1);
  });

  test("a mark that nothing was wrong is not read out", async () => {
    await returning();
    app.open();
    service.add({ text: "Until six.", author: by.assistant, confidence: "answered" });
    service.socket.send("signal", signal("a", "conversation:c1:messages", { version: 1 }));
    await soon(() => expect(spoken()).toContain("Until six."));

    const review = { kind: "checked" as const, by: "Ana", at: "" };
    service.messages = service.messages.map((each) => ({ ...each, review, rev: 2 }));
    service.socket.send("signal", signal("b", "conversation:c1:messages", { version: 2 }));
    await soon(() => expect(root().querySelector(".rating")?.textContent).toBe("Checked by Ana"));
    service.add({ text: "Anything else?", author: by.staff, rev: 3 });
    service.socket.send("signal", signal("c", "conversation:c1:messages", { version: 3 }));

    await soon(() => expect(spoken()).toContain("Ana said: Anything else?"));
    expect(spoken()).not.toContain("Until six.");
  });
});

describe("a rating", () => {
  test("goes from the press to the service; thanks for a reason are read out", async () => {
    await returning();
    app.open();
    service.add({ text: "Hours?" });
    service.add({ text: "Until six.", author: by.assistant, confidence: "answered" });
    service.socket.send("signal", signal("a", "conversation:c1:messages", { version: 2 }));
    const named = (name: string): HTMLButtonElement =>
      root().querySelector(`[aria-label="${name}"]`) as HTMLButtonElement;
    await soon(() => expect(named("Not helpful")).not.toBeNull());

    named("Not helpful").click();
    await soon(() => expect(root().querySelector(".presets button")).not.toBeNull());
    root().querySelector<HTMLButtonElement>(".presets button")?.click();
    root().querySelector<HTMLButtonElement>(".why [type=submit]")?.click();

    await soon(() => expect(spoken()).toContain("Thank you."));
    await soon(() =>
      expect(service.messages[1]?.feedback).toEqual({ value: -1, reason: "Not correct" }),
    );
    expect(root().activeElement).toBe(named("Not helpful"));
    // Stored and shown are two things: the reply is on its way to the screen.
    await soon(() => expect(named("Not helpful").getAttribute("aria-pressed")).toBe("true"));
  });
});

describe("handing over", () => {
  test("is told to the page", async () => {
    await returning();

    service.conversations = [
      conversation({
        state: "staff",
        handoff: { requested_at: "", taken_by: { name: "Ana" } },
        rev: 9,
      }),
    ];
    await say("Ana joined the conversation.", by.system);

    expect(events).toContainEqual(["handoff", { state: "staff" }]);
  });
});

describe("looks", () => {
  test("theme and accent follow the configuration", () => {
    start({ config: { theme: "dark", accent: "#ffe066" } });
    expect(host.dataset["theme"]).toBe("dark");
    expect(host.style.getPropertyValue("--on-accent")).toBe("#000");

    app.update();
    expect(host.dataset["side"]).toBe("end");
  });
});

test("a session that is on its way when all ends leaves nothing behind", async () => {
  start();
  app.open();

  app.shutdown();
  await breathe(40);

  expect(localStorage).toHaveLength(0);
  expect(events.map(([name]) => name)).toEqual(["open"]);
});
