import { act, screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, it } from "vitest";
import { openConsole } from "./console";
import { ANA, BEN, conversation, takenBy, waiting } from "./made";
import { Server } from "./server";

let server: Server;

beforeEach(() => {
  server = new Server();
});

const reply = () => screen.findByRole<HTMLTextAreaElement>("textbox", { name: "Reply to the visitor" });
const noteField = () => screen.findByRole<HTMLTextAreaElement>("textbox", { name: "Note for colleagues" });
const story = () => screen.findByRole("log");

describe("the inbox", () => {
  it("shows who begins to wait without being asked, counts them and says so", async () => {
    await openConsole(server, "/acme/inbox");
    await screen.findByText("Nobody waits");

    act(() => server.put(waiting(new Date().toISOString())));

    expect(await screen.findByRole("link", { name: /Visitor 0001/ })).toBeVisible();
    expect(document.title).toBe("(1) Inbox · Acme");
    expect(screen.getByText("Visitor 0001 waits for a person.")).toBeInTheDocument();
  });

  it("asks for a log-in when the session has ended, and comes back to where one was", async () => {
    server.put(waiting());
    server.signedIn = false;
    const { user, path } = await openConsole(server, "/acme/inbox/c1");

    await user.type(await screen.findByLabelText("E-mail"), "ana@example.com");
    await user.type(screen.getByLabelText("Password"), "secret secret{Enter}");

    await story();
    expect(path()).toBe("/acme/inbox/c1");
  });

  it("goes to the log-in as soon as the socket hears that the session has ended, says so, and comes back", async () => {
    server.put(waiting());
    const { user, path } = await openConsole(server, "/acme/inbox/c1");
    await screen.findByText("Live");

    const ended = { code: "not_signed_in", message: "Sign in.", retry: "never" } as const;
    server.fail("/staff/socket-token", { status: 401, ...ended });
    act(() => server.emit("system", ended));
    act(() => server.drop());

    expect(await screen.findByText(/^You were signed out/)).toBeVisible();
    server.mend();
    await user.type(screen.getByLabelText("E-mail"), "ana@example.com");
    await user.type(screen.getByLabelText("Password"), "secret secret{Enter}");
    await story();
    expect(path()).toBe("/acme/inbox/c1");
  });

  it("does not say that one was signed out to who comes without a session", async () => {
    server.signedIn = false;
    await openConsole(server, "/acme/inbox/c1");

    await screen.findByLabelText("E-mail");
    expect(screen.queryByText(/signed out/)).toBeNull();
  });

  it("moves with j and k, opens with Enter, and leaves with Escape", async () => {
    server.put(waiting("2026-11-21T08:00:00Z", { id: "c1" }));
    server.put(waiting("2026-11-21T08:05:00Z", { id: "c2" }));
    const { user, path } = await openConsole(server, "/acme/inbox");
    await screen.findAllByRole("link", { name: /Visitor/ });

    await user.keyboard("jjk{Enter}");
    await story();
    expect(path()).toBe("/acme/inbox/c1?view=waiting");

    await user.keyboard("{Escape}");
    await waitFor(() => expect(path()).toBe("/acme/inbox?view=waiting"));
  });
});

describe("who works in two organisations", () => {
  it("changes between them, and takes nothing along", async () => {
    server.orgs.push({ id: "o2", slug: "other", name: "Other" });
    server.put(waiting());
    const { user, path } = await openConsole(server, "/acme/inbox");
    await screen.findByRole("link", { name: /Visitor 0001/ });

    await user.click(await screen.findByRole("button", { name: /Account/ }));
    await user.click(await screen.findByRole("menuitemradio", { name: "Other" }));

    await screen.findByText("Nobody waits");
    expect(path()).toBe("/other/inbox");
    expect(document.title).toBe("Inbox · Other");
    expect(screen.queryByRole("link", { name: /Visitor 0001/ })).toBeNull();
  });
});

describe("a conversation", () => {
  it("is taken over with one key, and Ana's name is told when she was first", async () => {
    server.put(waiting());
    server.refusals.set("/take", {
      status: 409,
      code: "already_taken",
      message: "Ana already took it.",
      retry: "refetch",
    });
    server.me = BEN;
    const { user } = await openConsole(server, "/acme/inbox/c1");
    await story();
    server.conversations.set("c1", takenBy(ANA, { rev: 2 }));

    await user.keyboard("i");

    expect(await screen.findByText("Ana already took it.")).toBeVisible();
    expect(await screen.findByText("Ana has this conversation.")).toBeVisible();
    expect(screen.queryByRole("button", { name: "Take over" })).toBeNull();
  });

  it.each(["waiting", "bot"])("goes on in one's own list when it is taken over from “%s”", async (view) => {
    server.put(waiting());
    const { user, path } = await openConsole(server, `/acme/inbox/c1?view=${view}`);
    await story();
    server.conversations.set("c1", takenBy(ANA, { rev: 2 }));

    await user.keyboard("i");

    expect(await screen.findByRole("link", { name: "Mine" })).toHaveAttribute("aria-current", "page");
    expect(path()).toBe("/acme/inbox/c1?view=mine");
    expect(await screen.findByRole("link", { name: /Visitor 0001/ })).toHaveAttribute("aria-current");
  });

  it("stays in a list that it belongs to all the same when it is taken over", async () => {
    server.put(waiting());
    const { user, path } = await openConsole(server, "/acme/inbox/c1?view=all");
    await story();
    server.conversations.set("c1", takenBy(ANA, { rev: 2 }));

    await user.keyboard("i");

    await screen.findByRole("button", { name: "Hand back to the bot" });
    expect(path()).toBe("/acme/inbox/c1?view=all");
  });

  it("shows what is said meanwhile, and a note only as a note", async () => {
    server.put(takenBy(ANA));
    await openConsole(server, "/acme/inbox/c1");
    await story();

    act(() => void server.store("Where is my order?"));
    act(
      () =>
        void server.store("A good customer", {
          seq: null,
          after_seq: 1,
          visibility: "internal",
          author: { kind: "staff", ...BEN },
        }),
    );

    expect(await screen.findByText("Where is my order?")).toBeVisible();
    const note = (await screen.findByText("A good customer")).closest("article");
    expect(note).toHaveTextContent("Note by Ben");
  });

  it("misses nothing over a lost connection, and reads on from where it was", async () => {
    server.put(takenBy(ANA));
    server.store("Good morning");
    await openConsole(server, "/acme/inbox/c1");
    await screen.findByText("Good morning");
    await screen.findByText("Live");

    act(() => server.drop());
    server.store("Are you there?");
    server.calls = [];
    act(() => void window.dispatchEvent(new Event("online")));

    expect(await screen.findByText("Are you there?")).toBeVisible();
    const reads = server.calls.filter((call) => call.includes("/c1/messages"));
    expect(reads.length).toBeGreaterThan(0);
    for (const read of reads) expect(read).not.toContain("after=0");
  });

  it("shows the bot's answer as it is written, then the stored one in its place", async () => {
    server.put(conversation());
    server.store("How do I return it?");
    await openConsole(server, "/acme/inbox/c1");
    await screen.findByText("How do I return it?");
    await screen.findByText("Live");
    const frame = { mid: "m9", attempt: 1 };

    act(() => server.emit("answer.start", { ...frame, conversation_id: "c1" }));
    act(() => server.emit("answer.delta", { ...frame, seq: 1, text: "Within " }));
    act(() => server.emit("answer.delta", { ...frame, seq: 2, text: "30 days" }));
    expect(await screen.findByText("Within 30 days")).toBeVisible();
    expect(screen.getByText("is answering…")).toBeVisible();

    act(() => server.emit("answer.end", { ...frame, seq: 3, status: "complete", version: 2 }));
    act(
      () =>
        void server.store("Within 30 days.", {
          id: "m9",
          author: { kind: "assistant", id: null, name: "Assistant" },
        }),
    );
    expect(await screen.findByText("Within 30 days.")).toBeVisible();
    expect(screen.queryByText("is answering…")).toBeNull();
  });

  it("does not show another conversation's answer", async () => {
    server.put(conversation());
    await openConsole(server, "/acme/inbox/c1");
    await screen.findByText("Live");

    act(() => server.emit("answer.start", { conversation_id: "c2", mid: "m9", attempt: 1 }));
    act(() => server.emit("answer.delta", { mid: "m9", attempt: 1, seq: 1, text: "For somebody else" }));

    expect(screen.queryByText("For somebody else")).toBeNull();
    expect(screen.queryByText("is answering…")).toBeNull();
  });

  it("takes the answer away when a person took over", async () => {
    server.put(conversation());
    await openConsole(server, "/acme/inbox/c1");
    await screen.findByText("Live");
    act(() => server.emit("answer.start", { conversation_id: "c1", mid: "m9", attempt: 1 }));
    await screen.findByText("is answering…");

    act(() =>
      server.emit("answer.end", { mid: "m9", attempt: 1, seq: 1, status: "withdrawn", version: null }),
    );

    await waitFor(() => expect(screen.queryByText("is answering…")).toBeNull());
  });

  it("says who types, until it has been quiet", async () => {
    server.put(takenBy(ANA));
    await openConsole(server, "/acme/inbox/c1");
    await screen.findByText("Live");

    act(() => server.emit("typing", { conversation_id: "c1", kind: "visitor", name: "", on: true }));
    expect(await screen.findByText("The visitor is typing…")).toBeVisible();

    act(() => server.emit("typing", { conversation_id: "c1", kind: "visitor", name: "", on: false }));
    await waitFor(() => expect(screen.queryByText("The visitor is typing…")).toBeNull());
  });
});

describe("writing", () => {
  it("sends with Ctrl+Enter; the message is there at once and only once when it is stored", async () => {
    server.put(takenBy(ANA));
    const { user } = await openConsole(server, "/acme/inbox/c1");

    await user.type(await reply(), "On its way{Enter}to you");
    await user.keyboard("{Control>}{Enter}{/Control}");

    const log = await story();
    expect(within(log).getByText(/On its way/)).toBeVisible();
    await waitFor(() => expect(server.messages).toHaveLength(1));
    await waitFor(() => expect(screen.queryByText("Sending…")).toBeNull());
    expect(within(log).getAllByText(/On its way/)).toHaveLength(1);
    expect(server.messages[0]).toMatchObject({ text: "On its way\nto you", visibility: "public" });
    expect(await reply()).toHaveValue("");
  });

  it("keeps what was refused, and sends it again as the same message", async () => {
    server.put(takenBy(ANA));
    server.refusals.set("/messages", {
      status: 409,
      code: "not_taken",
      message: "Take it over first.",
      retry: "never",
    });
    const { user } = await openConsole(server, "/acme/inbox/c1");

    await user.type(await reply(), "Hello{Control>}{Enter}{/Control}");
    expect(await screen.findByText("Not sent. Take it over first.")).toBeVisible();

    server.refusals.clear();
    await user.click(screen.getByRole("button", { name: "Send again" }));
    await waitFor(() => expect(screen.queryByText(/Not sent/)).toBeNull());
    expect(server.messages.map(({ text }) => text)).toEqual(["Hello"]);
  });

  it("sends by itself again what got no reply, and the visitor reads it once", async () => {
    server.put(takenBy(ANA));
    server.repliesLost = 1;
    const { user } = await openConsole(server, "/acme/inbox/c1");

    await user.type(await reply(), "Hello{Control>}{Enter}{/Control}");

    const sends = () => server.calls.filter((call) => call === "POST /conversations/c1/messages");
    await waitFor(() => expect(sends()).toHaveLength(2));
    await waitFor(() => expect(screen.queryByText("Sending…")).toBeNull());
    expect(server.messages.map(({ text }) => text)).toEqual(["Hello"]);
    expect(within(await story()).getAllByText("Hello")).toHaveLength(1);
  });

  it("never turns a note into a reply: each mode has its own words", async () => {
    server.put(takenBy(ANA));
    const { user } = await openConsole(server, "/acme/inbox/c1");
    await reply();
    await user.keyboard("n");
    await user.type(await noteField(), "Do not tell him");

    await user.click(screen.getByRole("button", { name: "Reply" }));
    expect(await reply()).toHaveValue("");

    await user.click(screen.getByRole("button", { name: "Note" }));
    await user.type(await noteField(), "{Control>}{Enter}{/Control}");
    await waitFor(() => expect(server.messages[0]?.visibility).toBe("internal"));
  });

  it("stays in the mode one chose, whatever happens to the conversation", async () => {
    server.put(takenBy(ANA));
    const { user } = await openConsole(server, "/acme/inbox/c1");
    await reply();
    await user.keyboard("n");
    await noteField();

    act(() => server.put(conversation({ rev: 5, state: "closed" })));
    act(() => void server.store("Hello again"));
    await screen.findByText("Hello again");

    expect(await noteField()).toBeVisible();
  });

  it("tells the visitor that one types, but never that one writes a note", async () => {
    server.put(takenBy(ANA));
    const { user } = await openConsole(server, "/acme/inbox/c1");
    await screen.findByText("Live");
    await reply();
    await user.keyboard("n");
    await user.type(await noteField(), "secret");
    expect(server.told.filter(({ event }) => event === "typing")).toEqual([]);

    await user.click(screen.getByRole("button", { name: "Reply" }));
    await user.type(await reply(), "Hi");
    const typing = server.told.filter(({ event }) => event === "typing");
    expect(typing).toEqual([{ event: "typing", payload: { conversation_id: "c1", on: true } }]);
  });

  it("offers no reply where somebody else or the bot answers", async () => {
    server.put(conversation());
    await openConsole(server, "/acme/inbox/c1");

    expect(await screen.findByText("The bot answers here. Take over to reply.")).toBeVisible();
    expect(screen.queryByRole("textbox")).toBeNull();
  });

  it("keeps single keys for writing while one writes", async () => {
    server.put(takenBy(ANA));
    const { user } = await openConsole(server, "/acme/inbox/c1");

    await user.type(await reply(), "jeinr?");

    expect(await reply()).toHaveValue("jeinr?");
    expect(screen.queryByRole("alertdialog")).toBeNull();
  });
});
