import { createRef, render } from "preact";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { type Chat, fresh } from "../src/app/state";
import { noteText, stringsFor } from "../src/app/strings";
import { Panel, type PanelProps } from "../src/app/view/panel";
import type { ConversationState, Message, Source } from "../src/wire";
import { by, conversation, message, site } from "./build";
import { breathe, setUpPage, soon } from "./page";

const strings = stringsFor("en");
const source: Source = {
  n: 1,
  passage_id: "p1",
  document_id: "d1",
  title: "Handbook",
  heading: "Hours",
  url: "https://example.org/handbook",
  page: 12,
  quote: "Open until six.",
};
let root: HTMLElement;
let actions: { [Action in keyof PanelProps["actions"]]: ReturnType<typeof vi.fn> };

beforeEach(() => {
  setUpPage();
  root = document.createElement("div");
  document.body.append(root);
  const verb = (): ReturnType<typeof vi.fn> => vi.fn();
  actions = {
    close: verb(),
    start: verb(),
    ask: verb(),
    askPerson: verb(),
    retry: verb(),
    stop: verb(),
    startOver: verb(),
    typing: verb(),
    near: verb(),
  };
});

function show(chat: Partial<Chat> = {}, more: Partial<PanelProps> = {}): void {
  render(
    <Panel
      chat={{ ...fresh, visitor_id: "v1", site, ...chat }}
      open
      inline={false}
      full={false}
      blocked={false}
      call="none"
      spoken=""
      strings={strings}
      actions={actions as unknown as PanelProps["actions"]}
      panel={createRef()}
      title={createRef()}
      input={createRef()}
      {...more}
    />,
    root,
  );
}

const answered = (more: Partial<Message> = {}): Message =>
  message(2, {
    author: by.assistant,
    text: "Until six [1].",
    sources: [source],
    confidence: "answered",
    ...more,
  });
const talk = (state: ConversationState, messages: Message[]): Partial<Chat> => ({
  conversation: conversation({
    state,
    handoff: { requested_at: "", taken_by: state === "staff" ? { name: "Ana" } : null },
  }),
  messages,
});
const buttons = (name: string): HTMLButtonElement[] =>
  [...root.querySelectorAll("button")].filter(
    (each) => (each.getAttribute("aria-label") ?? each.textContent) === name,
  );
const press = (
  element: Element | undefined | null,
  key: string,
  more: KeyboardEventInit = {},
): void => {
  element?.dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }),
  );
};
function type(text: string): HTMLTextAreaElement {
  const area = root.querySelector("textarea") as HTMLTextAreaElement;
  area.value = text;
  area.dispatchEvent(new Event("input", { bubbles: true }));
  return area;
}

describe("for a screen reader", () => {
  test("a labelled dialog, a log that does not read tokens, and a voice of its own", () => {
    show({}, { spoken: "Answering…" });

    const panel = root.querySelector("[role=dialog]");
    expect(panel?.getAttribute("aria-modal")).toBeNull();
    expect(root.querySelector(`#${panel?.getAttribute("aria-labelledby")}`)?.textContent).toBe(
      "Aurora Library",
    );
    const log = root.querySelector("[role=log]");
    expect(log?.getAttribute("aria-live")).toBe("off");
    expect(log?.getAttribute("tabindex")).toBe("0");
    expect(
      [...root.querySelectorAll("[role=status]")].some((each) => each.textContent === "Answering…"),
    ).toBe(true);
  });

  test("modal only where it covers the page; a region where it is the page", () => {
    show({}, { full: true });
    expect(root.querySelector("[role=dialog]")?.getAttribute("aria-modal")).toBe("true");

    show({}, { inline: true });
    expect(root.querySelector("[role=region]")).not.toBeNull();
    expect(buttons("Close chat")).toEqual([]);
  });

  test("each message says whose it is", () => {
    show(talk("bot", [message(1), answered()]));

    expect(
      [...root.querySelectorAll("article")].map((each) => each.querySelector("span")?.textContent),
    ).toEqual(["You said:", "Assistant said:"]);
  });
});

describe("the greeting", () => {
  test("offers questions that are asked with one press, until something was said", () => {
    show();
    root.querySelector<HTMLButtonElement>(".starters button")?.click();
    expect(actions.ask).toHaveBeenCalledWith("When are you open?");

    show(talk("bot", [message(1)]));
    expect(root.querySelector(".starters")).toBeNull();
  });
});

describe("an answer", () => {
  test("has its citation as a button that opens the source", () => {
    show(talk("bot", [message(1), answered()]));
    const details = root.querySelector("details");
    expect(details?.open).toBe(false);

    buttons("Source 1: Handbook")[0]?.click();

    expect(details?.open).toBe(true);
    expect(document.activeElement).toBe(details?.querySelector("summary"));
    expect(details?.textContent).toContain("page 12");
    expect(details?.textContent).toContain("Open until six.");
    expect(details?.querySelector("a")?.href).toBe("https://example.org/handbook");
  });

  test("a number without a source is only text", () => {
    show(talk("bot", [answered({ text: "Until six [7].", sources: [] })]));

    expect(root.querySelector(".cite")).toBeNull();
    expect(root.querySelector(".text")?.textContent).toBe("Until six [7].");
  });

  test("a source with an address that is none has no link", () => {
    show(talk("bot", [answered({ sources: [{ ...source, url: "javascript:alert(1)" }] })]));

    expect(root.querySelector("details a")).toBeNull();
  });

  test("the running one becomes the stored one in place", async () => {
    show({
      ...talk("bot", [message(1)]),
      answer: { mid: "m2", attempt: 1, seq: 3, text: "Until", early: [], ended: null },
    });
    await soon(() =>
      expect(root.querySelector("article.assistant")?.textContent).toContain("Until"),
    );
    const article = root.querySelector("article.assistant");
    expect(buttons("Stop the answer")).toHaveLength(1);

    show(talk("bot", [message(1), answered()]));

    expect(root.querySelector("article.assistant")).toBe(article);
    expect(buttons("Stop the answer")).toEqual([]);
    expect(buttons("Source 1: Handbook")).toHaveLength(1);
  });

  test("that knows nothing offers a person, and only while the bot answers", () => {
    const unknown = answered({ confidence: "unknown", sources: [], text: "I don't know." });
    show(talk("bot", [message(1), unknown]));
    root.querySelector<HTMLButtonElement>(".offer button")?.click();
    expect(actions.askPerson).toHaveBeenCalled();

    show(talk("staff", [message(1), unknown]));
    expect(root.querySelector(".offer")).toBeNull();
  });

  test("that broke off can be asked again", () => {
    show(talk("bot", [message(1, { text: "Why?" }), answered({ status: "interrupted" })]));

    buttons("Ask again")[0]?.click();

    expect(actions.ask).toHaveBeenCalledWith("Why?");
  });

  test("that was stopped says so", () => {
    show(talk("bot", [message(1), answered({ status: "stopped" })]));

    expect(root.querySelector(".mark")?.textContent).toBe("Stopped");
  });
});

describe("a person", () => {
  test("can be called at any time while the bot answers", () => {
    show();
    buttons("Talk to a person")[0]?.click();

    expect(actions.askPerson).toHaveBeenCalled();
  });

  test("is waited for in words that are true", () => {
    show(talk("waiting", []));
    expect(root.querySelector(".strip")?.textContent).toBe(strings.waiting);

    show({ ...talk("waiting", []), site: { ...site, availability: { staff_online: false } } });
    expect(root.querySelector(".strip")?.textContent).toBe(strings.waitingAway);
  });

  test("is named when there", () => {
    show(
      talk("staff", [
        message(1, { author: by.system, text: "Ana joined the conversation." }),
        message(2, { author: by.staff, text: "**hi**" }),
      ]),
    );

    expect(root.querySelector(".head")?.textContent).toContain("You are talking to Ana");
    expect(root.querySelector(".note")?.textContent).toBe("Ana joined");
    expect(root.querySelector(".staff .text")?.textContent).toBe("**hi**");
    expect(buttons("Talk to a person")).toEqual([]);
  });

  test("a call that failed can be repeated", () => {
    show({}, { call: "failed" });
    root.querySelector<HTMLButtonElement>("[role=alert] button")?.click();

    expect(actions.askPerson).toHaveBeenCalled();
  });
});

describe("the composer", () => {
  test("Enter sends, Shift+Enter does not, and neither does a word being composed", async () => {
    show();
    const area = type("hello");
    await breathe();

    press(area, "Enter", { shiftKey: true });
    press(area, "Enter", { isComposing: true });
    expect(actions.ask).not.toHaveBeenCalled();

    press(area, "Enter");
    await breathe();
    expect(actions.ask).toHaveBeenCalledWith("hello");
    expect(area.value).toBe("");
  });

  test("nothing and too much are not sent", async () => {
    show();
    press(type("   "), "Enter");
    const area = type("x".repeat(4_001));
    await breathe();
    press(area, "Enter");

    expect(actions.ask).not.toHaveBeenCalled();
    expect(root.querySelector(".count")?.textContent).toBe("1 characters too many");
  });

  test("what was not sent can be tried again", () => {
    show({
      outbox: [{ client_id: "k1", text: "hi", at: 0, status: "failed", problem: "Too fast." }],
    });
    expect(root.querySelector("[role=alert]")?.textContent).toContain("Not sent. Too fast.");

    buttons("Try again")[0]?.click();

    expect(actions.retry).toHaveBeenCalledWith("k1");
  });

  test("a conversation that ended can be left for a new one", () => {
    show(talk("closed", [message(1)]));
    buttons("Start a new one")[0]?.click();

    expect(actions.startOver).toHaveBeenCalled();
  });
});

describe("trouble", () => {
  test("Escape closes the panel, but not the page that it is", () => {
    show();
    press(root.querySelector("textarea"), "Escape");
    expect(actions.close).toHaveBeenCalledTimes(1);

    show({}, { inline: true });
    press(root.querySelector("textarea"), "Escape");
    expect(actions.close).toHaveBeenCalledTimes(1);
  });

  test("a chat that could not start says why and offers to try again", () => {
    const problem = {
      code: "origin_not_allowed",
      message: "This website may not use this chat.",
      retry: "never" as const,
    };
    show({ site: null, problem });
    expect(root.querySelector("[role=alert]")?.textContent).toContain(problem.message);

    buttons("Try again")[0]?.click();
    expect(actions.start).toHaveBeenCalled();
  });

  test("a page whose policy forbids us is told so", () => {
    show(
      { site: null, problem: { code: "unreachable", message: "", retry: "backoff" } },
      { blocked: true },
    );

    expect(root.querySelector("[role=alert]")?.textContent).toBe(strings.blocked);
  });

  test("a lost connection is told after two seconds, not before", async () => {
    vi.useFakeTimers();
    show({ connection: "disconnected" });
    await vi.advanceTimersByTimeAsync(1_900);
    expect(root.querySelector(".bar p")).toBeNull();

    await vi.advanceTimersByTimeAsync(300);
    expect(root.querySelector(".bar p")?.textContent).toBe(strings.lost);
    vi.useRealTimers();
  });
});

test("both languages say everything", () => {
  const [english, german] = [stringsFor("en-GB"), stringsFor("de-AT")];

  expect(Object.keys(german)).toEqual(Object.keys(english));
  expect(noteText("Ana closed the conversation.", german)).toBe("Ana hat das Gespräch beendet");
  expect(noteText("Something else.", german)).toBe("Something else.");
});
