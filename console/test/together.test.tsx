/** Working beside others: who is online, who looks at the same conversation, who writes in it. */
import { act, screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, it } from "vitest";
import { openConsole } from "./console";
import { ANA, BEN, conversation, takenBy } from "./made";
import { Server } from "./server";

const INBOX = "org:o1:inbox";
const MESSAGES = "conversation:c1:messages";
const NOTES = "conversation:c1:staff";

let server: Server;

beforeEach(() => {
  server = new Server();
});

const enter = (topic: string, { id, name }: { id: string; name: string }) =>
  act(() => server.enter(topic, `staff:${id}`, name));
const typing = (changed: object) =>
  act(() =>
    server.emit("typing", { conversation_id: "c1", kind: "staff", name: "Ben", on: true, ...changed }),
  );
const noting = (on: boolean, { id, name } = BEN) =>
  act(() =>
    server.emit("broadcast", {
      topic: NOTES,
      event: "note.typing",
      payload: { on },
      from: { key: `staff:${id}`, name },
    }),
  );
const head = async () =>
  (await screen.findByRole("heading", { level: 2, name: /Visitor/ })).closest("header")!;

describe("the inbox", () => {
  it("shows which colleagues are online, as they come and go", async () => {
    await openConsole(server, "/acme/inbox");
    expect(await screen.findByText("No colleague is online")).toBeVisible();

    enter(INBOX, BEN);
    expect(await screen.findByRole("img", { name: "Colleagues online: Ben" })).toBeVisible();
    expect(screen.queryByText("No colleague is online")).toBeNull();

    act(() => server.leave(INBOX, `staff:${BEN.id}`));
    expect(await screen.findByText("No colleague is online")).toBeVisible();
  });

  it("says nothing of colleagues while nobody can know", async () => {
    await openConsole(server, "/acme/inbox");
    enter(INBOX, BEN);
    await screen.findByRole("img", { name: "Colleagues online: Ben" });

    server.down = true;
    act(() => server.drop());

    await waitFor(() => expect(screen.queryByRole("img", { name: /online/ })).toBeNull());
    expect(screen.queryByText("No colleague is online")).toBeNull();
  });

  it("tells in the account menu whether others see that one is here", async () => {
    const { user } = await openConsole(server, "/acme/inbox");
    await waitFor(() => expect(server.present.get(INBOX)).toHaveLength(1));

    await user.click(await screen.findByRole("button", { name: /Account/ }));
    expect(await screen.findByText("Colleagues see you online")).toBeVisible();

    server.down = true;
    act(() => server.drop());
    expect(await screen.findByText("You are not shown as online")).toBeVisible();
  });
});

describe("a conversation", () => {
  it("shows who else looks at it, and shows them oneself for as long as it is open", async () => {
    server.put(conversation());
    const { user } = await openConsole(server, "/acme/inbox/c1");
    await waitFor(() =>
      expect(server.present.get(NOTES)?.map(({ key }) => key)).toEqual([`staff:${ANA.id}`]),
    );
    expect(screen.queryByRole("img", { name: /Also looking/ })).toBeNull();

    enter(NOTES, BEN);
    expect(await screen.findByRole("img", { name: "Also looking at this: Ben" })).toBeVisible();
    expect(screen.getByText("Ben looks at this conversation too.")).toBeInTheDocument();

    await user.keyboard("{Escape}");
    await waitFor(() => expect(server.present.get(NOTES)?.map(({ name }) => name)).toEqual(["Ben"]));
  });

  it("says whether the visitor looks at the chat, has the page open, or is gone", async () => {
    server.put(conversation());
    await openConsole(server, "/acme/inbox/c1");
    expect(await within(await head()).findByText("Offline")).toBeVisible();

    act(() => server.enter(MESSAGES, "visitor:v-0001", "", { viewing: true }));
    expect(await within(await head()).findByText("In the chat")).toBeVisible();

    act(() => server.enter(MESSAGES, "visitor:v-0001", "", { viewing: false }));
    expect(await within(await head()).findByText("On the site")).toBeVisible();

    act(() => server.leave(MESSAGES, "visitor:v-0001"));
    expect(await within(await head()).findByText("Offline")).toBeVisible();
  });

  it("knows of a visitor who was there before it was opened", async () => {
    server.put(conversation());
    server.present.set(MESSAGES, [{ key: "visitor:v-0001", name: "", state: { viewing: true } }]);
    await openConsole(server, "/acme/inbox/c1");

    expect(await within(await head()).findByText("In the chat")).toBeVisible();
  });

  it("is not told to the visitor's topic: staff only listen there", async () => {
    server.put(conversation());
    await openConsole(server, "/acme/inbox/c1");
    await waitFor(() => expect(server.present.get(NOTES)).toHaveLength(1));

    const topics = server.toldOf("presence").map((told) => (told as { topic: string }).topic);
    expect(topics).not.toContain(MESSAGES);
  });
});

describe("before two answers cross", () => {
  it("a colleague's reply is told while it is written", async () => {
    server.put(takenBy(ANA));
    await openConsole(server, "/acme/inbox/c1");
    await screen.findByRole("textbox", { name: "Reply to the visitor" });

    typing({});
    expect(await screen.findByText("Ben is writing to the visitor.")).toBeVisible();

    typing({ on: false });
    await waitFor(() => expect(screen.queryByText("Ben is writing to the visitor.")).toBeNull());
  });

  it("a colleague's note is told, and one's own from another window is not", async () => {
    server.put(takenBy(ANA));
    await openConsole(server, "/acme/inbox/c1");
    await screen.findByRole("textbox", { name: "Reply to the visitor" });

    noting(true, ANA);
    noting(true);
    expect(await screen.findByText("Ben is writing a note.")).toBeVisible();

    noting(false);
    await waitFor(() => expect(screen.queryByText(/is writing/)).toBeNull());
  });

  it("is warned of also where one would have to take over first", async () => {
    server.put(conversation());
    await openConsole(server, "/acme/inbox/c1");
    await screen.findByText("The bot answers here. Take over to reply.");

    noting(true);

    expect(await screen.findByText("Ben is writing a note.")).toBeVisible();
  });

  it("one's own note is told to colleagues and never to the visitor", async () => {
    server.put(takenBy(ANA));
    const { user } = await openConsole(server, "/acme/inbox/c1");
    await screen.findByText("Live");
    await screen.findByRole("textbox", { name: "Reply to the visitor" });
    await user.keyboard("n");

    await user.type(await screen.findByRole("textbox", { name: "Note for colleagues" }), "secret");
    await user.keyboard("{Control>}{Enter}{/Control}");

    const said = (on: boolean) => ({ topic: NOTES, event: "note.typing", payload: { on } });
    expect(server.toldOf("broadcast")).toEqual([said(true), said(false)]);
    expect(server.toldOf("typing")).toEqual([]);
  });
});
