import { createRef, render } from "preact";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { type Chat, fresh, type Outgoing } from "../src/app/state";
import { noteText, stringsFor } from "../src/app/strings";
import { Panel, type PanelProps } from "../src/app/view/panel";
import type { ConversationState, Message, Source } from "../src/wire";
import { by, conversation, message, site } from "./build";
import { settle } from "./clock";
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
    again: verb(),
    rate: verb(),
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

    buttons("Try again")[0]?.click();

    expect(actions.again).toHaveBeenCalledWith("m2");
  });

  test("that was stopped says so", () => {
    show(talk("bot", [message(1), answered({ status: "stopped" })]));

    expect(root.querySelector(".mark")?.textContent).toBe("Stopped Try again");
  });
});

describe("a rating", () => {
  const thumbs = (): (string | null)[] =>
    [...root.querySelectorAll(".rating button")].map((each) => each.getAttribute("aria-pressed"));

  test("is asked for under an answer, not under a courtesy or one that is still written", () => {
    show(talk("bot", [message(1), answered({ confidence: null })]));
    expect(root.querySelector(".rating")).toBeNull();

    const answer = { mid: "m2", attempt: 1, seq: 3, text: "Until", early: [], ended: null };
    show({ ...talk("bot", [message(1)]), answer });
    expect(root.querySelector(".rating")).toBeNull();

    show(talk("bot", [message(1), answered()]));
    expect(root.querySelector(".rating")?.getAttribute("aria-label")).toBe("Was this helpful?");
    expect(thumbs()).toEqual(["false", "false"]);
  });

  test("is given with one press and taken back with a second", () => {
    show(talk("bot", [message(1), answered()]));
    buttons("Helpful")[0]?.click();
    expect(actions.rate).toHaveBeenLastCalledWith(expect.objectContaining({ id: "m2" }), {
      value: 1,
      reason: null,
    });

    show(talk("bot", [message(1), answered({ feedback: { value: 1, reason: null } })]));
    expect(thumbs()).toEqual(["true", "false"]);
    buttons("Helpful")[0]?.click();
    expect(actions.rate).toHaveBeenLastCalledWith(expect.objectContaining({ id: "m2" }), null);
  });

  test("that could not be stored is said to be", () => {
    show({ ...talk("bot", [message(1), answered()]), unrated: "m2" });

    expect(root.querySelector(".rating [role=status]")?.textContent).toBe("Not sent.");
  });

  test("that is bad is asked the reason, which is told with it", async () => {
    const bad = answered({ feedback: { value: -1, reason: null } });
    show(talk("bot", [message(1), answered()]));
    buttons("Not helpful")[0]?.click();
    show(talk("bot", [message(1), bad]));
    await soon(() => expect(buttons("Not complete")).toHaveLength(1));

    buttons("Not complete")[0]?.click();
    const words = root.querySelector<HTMLTextAreaElement>(".why textarea");
    if (words) words.value = " The price is missing. ";
    root.querySelector<HTMLButtonElement>(".why [type=submit]")?.click();

    const reason = "Not complete: The price is missing.";
    expect(actions.rate).toHaveBeenLastCalledWith(expect.objectContaining({ id: "m2" }), {
      value: -1,
      reason,
    });
    expect(root.querySelector(".why")).toBeNull();
    expect(document.activeElement).toBe(buttons("Not helpful")[0]);
    await soon(() => expect(root.querySelector(".rating")?.textContent).toBe("Thank you."));
  });

  test("Escape leaves the question for the reason, and the panel open", async () => {
    show(talk("bot", [message(1), answered()]));
    buttons("Not helpful")[0]?.click();
    show(talk("bot", [message(1), answered({ feedback: { value: -1, reason: null } })]));
    await soon(() => expect(root.querySelector(".why textarea")).not.toBeNull());

    press(root.querySelector(".why textarea"), "Escape");

    expect(root.querySelector(".why")).toBeNull();
    expect(actions.close).not.toHaveBeenCalled();
    expect(actions.rate).toHaveBeenCalledTimes(1);
  });

  test("that is asked for again comes at once, though nothing was drawn yet", async () => {
    await import("../src/app/reason");
    show(talk("bot", [message(1), answered()]));

    buttons("Not helpful")[0]?.click();
    await settle();

    expect(root.querySelectorAll(".why")).toHaveLength(1);
  });

  test("that was taken back before the question came is not asked about", async () => {
    await import("../src/app/reason");
    show(talk("bot", [message(1), answered()]));

    buttons("Not helpful")[0]?.click();
    buttons("Helpful")[0]?.click();
    await settle();

    expect(root.querySelector(".why")).toBeNull();
  });
});

describe("questions to ask next", () => {
  const next = answered({ suggestions: ["And on Sundays?", "Where is it?"] });
  const shown = (): string[] =>
    [...root.querySelectorAll(".starters button")].map((each) => each.textContent ?? "");

  test("stand under the last answer, and are asked with one press", () => {
    show(talk("bot", [message(1), next]));

    expect(shown()).toEqual(["And on Sundays?", "Where is it?"]);
    root.querySelectorAll<HTMLButtonElement>(".starters button")[1]?.click();
    expect(actions.ask).toHaveBeenCalledWith("Where is it?");
    expect(document.activeElement).toBe(root.querySelector("[role=log]"));
  });

  test("are gone when something else was said, or a person answers", () => {
    show(talk("bot", [message(1), next, message(3)]));
    expect(shown()).toEqual([]);

    const sending = { client_id: "k", text: "x", status: "sending", problem: null, wait_s: 0 };
    show({ ...talk("bot", [message(1), next]), outbox: [sending as Outgoing] });
    expect(shown()).toEqual([]);

    show(talk("staff", [message(1), next]));
    expect(shown()).toEqual([]);
  });
});

describe("a colleague who looked at an answer", () => {
  test("is named when it was found right", () => {
    const review = { kind: "checked" as const, by: "Ana", at: "" };
    show(talk("bot", [message(1), answered({ review })]));

    expect(root.querySelector(".rating")?.textContent).toBe("Checked by Ana");
  });

  test("changes the text in place", () => {
    show(talk("bot", [message(1), answered()]));
    const article = root.querySelector("article.assistant");
    const review = { kind: "corrected" as const, by: "Ana", at: "" };

    show(talk("bot", [message(1), answered({ text: "Until **eight**.", review, rev: 3 })]));

    expect(root.querySelector("article.assistant")).toBe(article);
    expect(root.querySelector(".text strong")?.textContent).toBe("eight");
    expect(root.querySelector(".rating")?.textContent).toBe("Corrected by Ana");
  });

  test("tells of it with a notice that leads to the earlier answer, however far back", async () => {
    const talked = Array.from({ length: 80 }, (_, n) => message(n + 3));
    const corrects = { author: by.system, text: "It is eight, not six.", corrects: "m2" };
    show(talk("bot", [message(1), answered(), ...talked, message(83, corrects)]));
    expect(root.querySelector("[data-id=m2]")).toBeNull();
    expect(root.querySelector("[data-id=m83]")?.textContent).toContain("It is eight, not six.");

    buttons("Show the earlier answer")[0]?.click();

    await soon(() => expect(document.activeElement).toBe(root.querySelector("[data-id=m2]")));
  });

  test("a notice of an answer that is not here has nowhere to lead", () => {
    show(talk("bot", [message(5, { author: by.staff, corrects: "m2", text: "It is eight." })]));

    expect(root.querySelector("[data-id=m5]")?.textContent).toContain("It is eight.");
    expect(buttons("Show the earlier answer")).toEqual([]);
  });
});

describe("another attempt", () => {
  const brokenOff = [message(1), answered({ status: "interrupted", text: "Until", sources: [] })];

  test.each(["failed", "interrupted", "stopped"] as const)(
    "can be had of one that %s",
    (status) => {
      show(talk("bot", [message(1), answered({ status })]));
      expect(buttons("Try again")).toHaveLength(1);

      show(talk("bot", [message(1), answered({ status }), message(3)]));
      expect(buttons("Try again")).toEqual([]);

      show(talk("staff", [message(1), answered({ status })]));
      expect(buttons("Try again")).toEqual([]);
    },
  );

  test("is asked for once", () => {
    show({ ...talk("bot", brokenOff), expecting: "m2" });

    expect(buttons("Try again")).toEqual([]);
    expect(root.querySelector(".dots")).not.toBeNull();
  });

  test("takes the place of what broke off, word by word", async () => {
    show(talk("bot", brokenOff));
    const article = root.querySelector("article.assistant");

    const answer = { mid: "m2", attempt: 2, seq: 1, text: "We close", early: [], ended: null };
    show({ ...talk("bot", brokenOff), answer });

    await soon(() => expect(root.querySelector(".text:not(.plain)")?.textContent).toBe("We close"));
    expect(root.querySelectorAll("article.assistant")).toHaveLength(1);
    expect(root.querySelector("article.assistant")).toBe(article);
    expect(root.querySelector(".mark")).toBeNull();
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
      outbox: [{ client_id: "k1", text: "hi", status: "failed", problem: "Too slow.", wait_s: 0 }],
    });
    expect(root.querySelector("[role=alert]")?.textContent).toContain("Not sent. Too slow.");

    buttons("Try again")[0]?.click();

    expect(actions.retry).toHaveBeenCalledWith("k1");
  });

  test("what waits for a busy server says for how long", () => {
    const waiting = { client_id: "k1", text: "hi", problem: null, wait_s: 7 };
    show({ outbox: [{ ...waiting, status: "sending" }] });

    expect(root.querySelector(".visitor .mark")?.textContent).toBe(
      "One moment, trying again in 7 s",
    );
    expect(root.querySelector("[role=alert]")).toBeNull();
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

  test("a chat that waits for a busy server says for how long, and needs no button", () => {
    const problem = { code: "too_many_requests", message: "", retry: "backoff" as const };
    show({ site: null, problem: { ...problem, retry_after_s: 4 } });

    expect(root.querySelector(".trouble")?.textContent).toBe("One moment, trying again in 4 s");
    expect(buttons("Try again")).toEqual([]);
  });

  test("a page whose policy forbids us is told so", () => {
    show(
      { site: null, problem: { code: "unreachable", message: "", retry: "backoff" } },
      { blocked: true },
    );

    expect(root.querySelector("[role=alert]")?.textContent).toBe(strings.blocked);
  });

  test("a connection that stays lost is told, and that messages come all the same", () => {
    show({ connection: "disconnected" });
    expect(root.querySelector(".bar p")).toBeNull();

    show({ connection: "disconnected", away: true });
    expect(root.querySelector(".bar p")?.textContent).toBe(strings.lost);

    show({ connection: "disconnected", away: true, reachable: true });
    expect(root.querySelector(".bar p")?.textContent).toBe(strings.polling);
  });
});

test("an answer that was cut off by a lost connection cannot be stopped, until it is back", () => {
  const answer = { mid: "m2", attempt: 1, seq: 3, text: "Until", early: [], ended: null };
  const cut = { ...talk("bot", [message(1)]), answer, connection: "disconnected" as const };
  const stop = (): Element | null => root.querySelector(".stopper");

  show({ ...cut, away: true });
  expect(stop()).toBeNull();

  show({ ...cut, away: true, reachable: true });
  expect(stop()).not.toBeNull();

  show({ ...cut, connection: "connected", reachable: true });
  expect(stop()).not.toBeNull();
});

test("both languages say everything", () => {
  const [english, german] = [stringsFor("en-GB"), stringsFor("de-AT")];

  expect(Object.keys(german)).toEqual(Object.keys(english));
  expect(noteText("Ana closed the conversation.", german)).toBe("Ana hat das Gespräch beendet");
  expect(noteText("Something else.", german)).toBe("Something else.");
});
