import { act, screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { openConsole } from "./console";
import { affected, answer, answerTrace, reviewEntry, step, trace, tracedPassage } from "./given";
import { conversation, message } from "./made";
import { Server } from "./server";

let server: Server;

beforeEach(() => {
  server = new Server();
  server.put(conversation({ rev: 2 }));
  server.messages = [message({ id: "m1", rev: 1, text: "How long?" }), answer()];
});

const open = async () => {
  const opened = await openConsole(server, "/acme/inbox/c1");
  const bar = await screen.findByRole("group", { name: "This answer" });
  return { ...opened, bar };
};

describe("under an answer", () => {
  it("stands what the visitor thinks of it, as soon as it is said", async () => {
    await open();
    await screen.findByText("Live");
    expect(screen.queryByText(/disliked it/)).toBeNull();

    act(() => server.revise(answer({ feedback: { value: -1, reason: "Too long ago" } })));

    expect(await screen.findByText("The visitor disliked it")).toBeVisible();
    expect(screen.getByText("Too long ago")).toBeVisible();
  });

  it("stands nothing of the kind for visitors and colleagues", async () => {
    server.messages = [message({ id: "m1", rev: 1 })];
    await openConsole(server, "/acme/inbox/c1");
    await screen.findByRole("log");

    expect(screen.queryByRole("group", { name: "This answer" })).toBeNull();
  });

  it("a check is switched on and off", async () => {
    const { user, bar } = await open();

    await user.click(within(bar).getByRole("button", { name: "Mark as checked" }));
    expect(await screen.findByText("Checked by Ana")).toBeVisible();
    expect(within(bar).getByRole("button", { name: "Mark as checked" })).toHaveAttribute(
      "aria-pressed",
      "true",
    );

    await user.click(within(bar).getByRole("button", { name: "Mark as checked" }));
    await waitFor(() => expect(screen.queryByText("Checked by Ana")).toBeNull());
    expect(server.calls).toContain("DELETE /answers/m2/review");
  });

  it("a refusal is told, and nothing is marked", async () => {
    server.fail("/review", {
      status: 409,
      code: "answer_running",
      message: "This answer is being written again.",
      retry: "backoff",
    });
    const { user, bar } = await open();

    await user.click(within(bar).getByRole("button", { name: "Mark as checked" }));

    expect(await screen.findByText("This answer is being written again.")).toBeVisible();
    expect(screen.queryByText(/Checked by/)).toBeNull();
  });
});

describe("a correction", () => {
  it("begins with the answer's words, shows what changes, and stands in their place", async () => {
    const { user, bar } = await open();
    await user.click(within(bar).getByRole("button", { name: "Correct" }));
    const field = await screen.findByRole("textbox", { name: "The answer" });
    expect(field).toHaveValue("Within 30 days [1].");
    expect(screen.getByRole("dialog")).toHaveAccessibleDescription(/sees the change at once/);
    expect(screen.getByRole("button", { name: "Correct the answer" })).toBeDisabled();

    await user.clear(field);
    await user.type(field, "Within 14 days [[1].");
    expect(await screen.findByText("14", { selector: "ins" })).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Correct the answer" }));

    expect(await screen.findByText("Corrected by Ana")).toBeVisible();
    expect(await screen.findByText(/Within 14 days/)).toBeVisible();
    expect(server.given.sent).toEqual([{ kind: "corrected", text: "Within 14 days [1]." }]);
  });

  it("stays open with what was typed when the server refuses", async () => {
    server.fail("/review", {
      status: 400,
      code: "unchanged",
      message: "That is what it wrote.",
      retry: "never",
    });
    const { user, bar } = await open();
    await user.click(within(bar).getByRole("button", { name: "Correct" }));
    const field = await screen.findByRole("textbox", { name: "The answer" });
    await user.type(field, " Really.");

    await user.click(screen.getByRole("button", { name: "Correct the answer" }));

    expect(await screen.findByText("That is what it wrote.")).toBeVisible();
    expect(field).toHaveValue("Within 30 days [1]. Really.");
  });

  it("gives the focus back to where it was opened", async () => {
    const { user, bar } = await open();
    await user.click(within(bar).getByRole("button", { name: "Correct" }));
    expect(await screen.findByRole("textbox", { name: "The answer" })).toHaveFocus();

    await user.keyboard("{Escape}");

    await waitFor(() => expect(within(bar).getByRole("button", { name: "Correct" })).toHaveFocus());
  });

  it("is not thrown away by a slip", async () => {
    const { user, bar } = await open();
    await user.click(within(bar).getByRole("button", { name: "Correct" }));
    await user.type(await screen.findByRole("textbox", { name: "The answer" }), " Really.");

    await user.keyboard("{Escape}");
    await user.click(await screen.findByRole("button", { name: "Cancel" }));
    expect(screen.getByRole("textbox", { name: "The answer" })).toHaveValue("Within 30 days [1]. Really.");

    await user.click(screen.getByRole("button", { name: "Close" }));
    await user.click(await screen.findByRole("button", { name: "Discard" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(server.given.sent).toEqual([]);
  });

  it("is taken back after a second look, and the answer reads as before", async () => {
    const { user, bar } = await open();
    await user.click(within(bar).getByRole("button", { name: "Correct" }));
    await user.type(await screen.findByRole("textbox", { name: "The answer" }), " Really.");
    await user.click(screen.getByRole("button", { name: "Correct the answer" }));
    await screen.findByText("Corrected by Ana");

    await user.click(within(bar).getByRole("button", { name: "Take back" }));
    await user.click(
      within(await screen.findByRole("alertdialog")).getByRole("button", { name: "Take back" }),
    );

    await waitFor(() => expect(screen.queryByText("Corrected by Ana")).toBeNull());
    expect(screen.queryByText(/Really/)).toBeNull();
  });
});

describe("others who got the same", () => {
  beforeEach(() => {
    server.messages = [
      answer({
        text: "Within 14 days [1].",
        review: { kind: "corrected", by: "Ana", at: "2026-11-21T08:00:00Z" },
      }),
    ];
    server.given.affected = [
      affected(),
      affected({ message_id: "m21", conversation_id: "c21", visitor: { id: "v-0021", name: "Lea" } }),
      affected({ message_id: "m22", conversation_id: "c22", visitor: null, asked: null, told: true }),
    ];
  });

  const openList = async () => {
    const { user } = await openConsole(server, "/acme/inbox/c1");
    await user.click(await screen.findByRole("button", { name: /^3 other visitors were answered/ }));
    return { user, field: await screen.findByRole("textbox", { name: "What they are told" }) };
  };

  it("are counted only once an answer is corrected", async () => {
    server.messages = [answer()];
    await open();

    expect(screen.queryByText(/answered from the same passage/)).toBeNull();
    expect(server.calls.filter((call) => call.includes("/affected"))).toEqual([]);
  });

  it("are chosen and told in words one may change; who was told is marked and cannot be chosen", async () => {
    const { user, field } = await openList();
    const told = screen.getByRole("checkbox", { name: "Tell Visitor unknown" });
    expect(told).toBeDisabled();
    expect(told).toBeChecked();
    expect(field).toHaveValue(
      "An earlier answer in this chat was not right. This is how it should read:\n\nWithin 14 days.",
    );
    expect(screen.getByRole("button", { name: "Tell them" })).toBeDisabled();

    await user.click(screen.getByRole("checkbox", { name: /^Tell Lea/ }));
    await user.clear(field);
    await user.type(field, "It is 14 days.");
    await user.click(screen.getByRole("button", { name: "Tell 1 visitor" }));

    expect(await screen.findByText("1 visitor was told.")).toBeVisible();
    expect(server.given.sent).toEqual([{ message_ids: ["m21"], text: "It is 14 days." }]);
    expect(server.given.affected.map((each) => each.told)).toEqual([false, true, true]);
  });

  it("are all chosen at once, and each conversation counts as one", async () => {
    server.given.affected.push(affected({ message_id: "m23", conversation_id: "c20" }));
    const { user } = await openList();

    await user.click(screen.getByRole("checkbox", { name: "All 3 answers whose visitor was not told" }));

    expect(screen.getByRole("button", { name: "Tell 2 visitors" })).toBeEnabled();
  });

  it("come page by page", async () => {
    server.given.pageSize = 2;
    const { user } = await openConsole(server, "/acme/inbox/c1");
    await user.click(await screen.findByRole("button", { name: /^2\+ other visitors/ }));
    const list = await screen.findByRole("list", { name: "Answers from the same passage" });
    expect(within(list).getAllByRole("listitem")).toHaveLength(2);

    await user.click(screen.getByRole("button", { name: "Show more" }));

    await waitFor(() => expect(within(list).getAllByRole("listitem")).toHaveLength(3));
    expect(server.calls).toContain("GET /answers/m2/affected?after=m21");
  });

  it("keep what was typed when telling fails", async () => {
    server.fail("/notices", {
      status: 404,
      code: "not_affected",
      message: "Load the list again.",
      retry: "never",
    });
    const { user, field } = await openList();
    await user.click(screen.getByRole("checkbox", { name: /^Tell Lea/ }));
    await user.type(field, " Sorry.");

    await user.click(screen.getByRole("button", { name: "Tell 1 visitor" }));

    expect(await screen.findByText("Load the list again.")).toBeVisible();
    expect(field).toHaveDisplayValue(/ Sorry\.$/);
    expect(screen.getByRole("checkbox", { name: /^Tell Lea/ })).toBeChecked();
  });

  it("find in their conversation which answer a notice corrects", async () => {
    const seen = vi.spyOn(Element.prototype, "scrollIntoView");
    server.messages = [
      answer(),
      message({ id: "m5", rev: 5, author: { kind: "staff", id: "staff-ana", name: "Ana" }, corrects: "m2" }),
    ];
    const { user } = await openConsole(server, "/acme/inbox/c1");

    await user.click(await screen.findByRole("button", { name: "Corrects an earlier answer" }));

    expect((seen.mock.contexts.at(-1) as Element).id).toBe("message-m2");
    seen.mockRestore();
  });
});

describe("how an answer came to be", () => {
  const openTrace = async () => {
    const { user, bar } = await open();
    await user.click(within(bar).getByRole("button", { name: "How it came to be" }));
    return { user, sheet: await screen.findByRole("dialog", { name: "How this answer came to be" }) };
  };

  it("is told: the way, what was searched and found, each call with its cost, the persona", async () => {
    server.given.trace = answerTrace({
      trace: trace({
        passages: [tracedPassage(), tracedPassage({ n: 2, passage_id: "p2", title: "Costs", cited: false })],
        steps: [
          step({ model: "gpt-first", code: "timeout_first", first_ms: null, cost: null }),
          step({ model: "gpt-second", estimated: true }),
        ],
      }),
    });
    const { sheet } = await openTrace();

    expect(await within(sheet).findByText("gpt-x wrote it from the passages found.")).toBeVisible();
    expect(within(sheet).getByText("return an order")).toBeVisible();
    expect(within(sheet).getByText(/^Evidence 82.%: enough to answer from$/)).toBeVisible();
    const [first, second] = within(
      within(sheet).getByRole("list", { name: "Passages considered" }),
    ).getAllByRole("listitem");
    expect(first).toHaveTextContent("Returns · Deadlines · page 3 version 2Cited");
    expect(within(first as HTMLElement).getByRole("link")).toHaveAttribute(
      "href",
      "/console/acme/knowledge/d1?passage=p1",
    );
    expect(second).toHaveTextContent("Not cited");
    const calls = within(sheet).getByRole("region", { name: "Calls to models" });
    expect(calls).toHaveTextContent(/gpt-firstDid not begin in timeFirst wordnone/);
    expect(calls).toHaveTextContent(/gpt-secondAnsweredFirst word340.ms.*about 812 in, 96 out.*0\.0012/);
    expect(within(sheet).getByRole("region", { name: "Time" })).toHaveTextContent(
      /2\.4.s from beginning to end/,
    );
    expect(within(sheet).getByText("Persona version 3")).toBeVisible();
    expect(within(sheet).getByText("2 calls · 908 tokens · cost 0.0012")).toBeVisible();
  });

  it("says what stood in the way, and why it ended early", async () => {
    server.given.trace = answerTrace({
      status: "failed",
      error_code: "model_ended_early",
      trace: trace({ degraded: ["over_budget_site", "model_ended_early"] }),
    });
    const { sheet } = await openTrace();

    const list = await within(sheet).findByRole("list", { name: "What stood in the way" });
    expect(
      within(list)
        .getAllByRole("listitem")
        .map((each) => each.textContent),
    ).toEqual([
      "It failed before its end.",
      "No model was asked: the day's allowance of this site was used up.",
      "The model broke off.",
    ]);
  });

  it("names the reason of a failure that no degradation explains", async () => {
    server.given.trace = answerTrace({ status: "failed", error_code: "answer_timeout" });
    const { sheet } = await openTrace();

    expect(await within(sheet).findByText("It took longer than an answer may.")).toBeVisible();
  });

  it("keeps what colleagues made of it", async () => {
    server.given.trace = answerTrace({
      reviews: [reviewEntry({ kind: "withdrawn", by: "Ana" }), reviewEntry()],
    });
    const { user, sheet } = await openTrace();

    expect(await within(sheet).findByText("Taken back by Ana")).toBeVisible();
    await user.click(within(sheet).getByText("Against what the assistant wrote"));
    expect(within(sheet).getByText("14", { selector: "ins" })).toBeVisible();
  });

  it("says so of an answer that is older than traces, and of one that is none", async () => {
    server.given.trace = answerTrace({ trace: null });
    const { sheet } = await openTrace();
    expect(await within(sheet).findByText(/No trace was kept/)).toBeVisible();
  });

  it("says when it cannot be read, and is read again", async () => {
    const { user, sheet } = await openTrace();
    expect(await within(sheet).findByText("There is no such answer.")).toBeVisible();

    server.given.trace = answerTrace();
    await user.click(within(sheet).getByRole("button", { name: "Try again" }));

    expect(await within(sheet).findByText("gpt-x wrote it from the passages found.")).toBeVisible();
  });
});

describe("a conversation that was taken up again", () => {
  it("says what was said before, when asked to", async () => {
    server.put(
      conversation({ rev: 3, episode: 2, earlier_summary: "Asked: How long?\nLast reply: 30 days" }),
    );
    const { user } = await open();
    const summary = await screen.findByText(/The visitor came back/);
    expect(screen.getByText(/Last reply: 30 days/)).not.toBeVisible();

    await user.click(summary);

    expect(screen.getByText(/Last reply: 30 days/)).toBeVisible();
  });

  it("says nothing of the kind in its first part", async () => {
    await open();

    expect(screen.queryByText(/The visitor came back/)).toBeNull();
  });
});

describe("the view of what was disliked", () => {
  it("opens a conversation at the answer, however long ago it was given", async () => {
    const since = Array.from({ length: 80 }, (_, n) =>
      message({ id: `s${n}`, rev: n + 3, text: `Then ${n}` }),
    );
    server.messages = [answer({ feedback: { value: -1, reason: null } }), ...since];
    const seen = vi.spyOn(Element.prototype, "scrollIntoView");

    await openConsole(server, "/acme/inbox/c1?view=disliked");

    await screen.findByText("The visitor disliked it");
    expect(seen.mock.contexts.map((each) => (each as Element).id)).toEqual(["message-m2"]);
    seen.mockRestore();
  });

  it("is chosen beside the others, counted, and left by what a colleague has looked at", async () => {
    server.put(conversation({ id: "c2", visitor: { id: "v-0002", name: null } }));
    server.messages = [answer({ feedback: { value: -1, reason: null } })];
    const { user, path } = await openConsole(server, "/acme/inbox");
    const views = await screen.findByRole("navigation", { name: "Views" });

    await user.click(await within(views).findByRole("link", { name: "Disliked 1" }));

    await waitFor(() => expect(path()).toBe("/acme/inbox?view=disliked"));
    await user.click(await screen.findByRole("link", { name: /Visitor 0001/ }));
    expect(screen.queryByRole("link", { name: /Visitor 0002/ })).toBeNull();

    await user.click(await screen.findByRole("button", { name: "Mark as checked" }));
    expect(await within(views).findByRole("link", { name: "Disliked" })).toBeVisible();
  });
});
