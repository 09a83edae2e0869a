import { act, screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, it } from "vitest";
import { openConsole } from "./console";
import { document, passage } from "./known";
import { Server } from "./server";

let server: Server;

beforeEach(() => {
  server = new Server();
  server.library.documents = [document()];
  server.library.passages = [
    passage(),
    passage({ id: "p2", ord: 1, heading: "Returns › Costs", page: 4, text: "We pay the postage." }),
  ];
});

const open = async (search = "") => {
  const { user, path } = await openConsole(server, `/acme/knowledge/d1${search}`);
  const card = await screen.findByRole("listitem", { name: "Passage 1" });
  return { user, path, card };
};

describe("a document", () => {
  it("is shown passage by passage, with heading, page and tokens", async () => {
    const { card } = await open();

    expect(card).toHaveTextContent("Within 30 days.");
    expect(card).toHaveTextContent("page 3");
    expect(card).toHaveTextContent("5 tokens");
    expect(screen.getByText("Returns › Costs")).toBeVisible();
  });

  it("marks the passage one came for, and says when it is gone", async () => {
    await open("?passage=p2");
    expect(screen.getByRole("listitem", { name: "Passage 2" })).toHaveAttribute("aria-current", "true");
    expect(screen.queryByText(/no longer in this document/)).toBeNull();
  });

  it("says that a passage is gone which one came for", async () => {
    await open("?passage=p9");

    expect(screen.getByText(/The passage is no longer in this document/)).toBeVisible();
  });

  it("cannot be changed by who only answers visitors", async () => {
    server.role = "agent";
    const { card } = await open();

    expect(within(card).queryByRole("switch")).toBeNull();
    expect(within(card).queryByRole("button")).toBeNull();
  });

  it("that is an answer by hand is changed in its own form, not passage by passage", async () => {
    server.library.documents = [document({ kind: "faq", name: "May I return it?" })];
    server.library.passages = [passage({ kind: "faq", text: "Thirty days." })];
    const { card } = await open();

    expect(within(card).queryByRole("switch")).toBeNull();
    expect(screen.queryByRole("button", { name: /Edit|More about/ })).toBeNull();
    expect(screen.getByRole("link", { name: "Show among the questions and answers" })).toHaveAttribute(
      "href",
      "/console/acme/knowledge/faqs?q=May+I+return+it%3F",
    );
  });

  it("is read again when it changes", async () => {
    await open();
    await screen.findByText("Live");
    server.library.passages = [passage({ text: "Within 60 days." })];

    act(() => server.learn(document({ version: 2, live_version: 2 })));

    expect(await screen.findByText("Within 60 days.")).toBeVisible();
  });
});

describe("a passage", () => {
  it("is switched off and on", async () => {
    const { user, card } = await open();

    await user.click(within(card).getByRole("switch", { name: "Use passage 1" }));
    expect(await within(card).findByText("Off")).toBeVisible();
    expect(within(card).getByRole("switch")).not.toBeChecked();

    await user.click(within(card).getByRole("switch"));
    await waitFor(() => expect(within(card).queryByText("Off")).toBeNull());
    expect(server.library.sent).toEqual([{ disabled: true }, { disabled: false }]);
  });

  it("is written anew, beside what was read in the document", async () => {
    const { user, card } = await open();
    await user.click(within(card).getByRole("button", { name: "Edit passage 1" }));
    const field = within(card).getByRole("textbox", { name: "Text of passage 1" });
    expect(field).toHaveFocus();

    await user.clear(field);
    await user.type(field, "Within 60 days.");
    expect(card.querySelector("del")).toHaveTextContent("30");
    expect(card.querySelector("ins")).toHaveTextContent("60");
    await user.click(within(card).getByRole("button", { name: "Save" }));

    expect(await within(card).findByText("Edited")).toBeVisible();
    expect(server.library.sent).toEqual([{ text: "Within 60 days." }]);
  });

  it("is put back to what was read", async () => {
    server.library.passages = [passage({ text: "Within 60 days.", original: "Within 30 days." })];
    const { user, card } = await open();
    await user.click(within(card).getByRole("button", { name: "Edit passage 1" }));

    await user.click(within(card).getByRole("button", { name: "Put back what was read" }));

    expect(await within(card).findByText("Within 30 days.")).toBeVisible();
    expect(within(card).queryByText("Edited")).toBeNull();
    expect(server.library.sent).toEqual([{ text: null }]);
  });

  it("keeps what one typed when it cannot be saved", async () => {
    server.fail("/passages/p1", { status: 400, code: "bad_passage", message: "Too long.", retry: "never" });
    const { user, card } = await open();
    await user.click(within(card).getByRole("button", { name: "Edit passage 1" }));
    await user.type(within(card).getByRole("textbox"), " Really.");

    await user.click(within(card).getByRole("button", { name: "Save" }));

    expect(await screen.findByText("Too long.")).toBeVisible();
    expect(within(card).getByRole("textbox")).toHaveValue("Within 30 days. Really.");
  });
});

describe("changes that do not apply any more", () => {
  it("are listed, and let go one by one", async () => {
    const override = { text: "Not now.", disabled: false, updated_at: "2026-11-21T08:00:00Z" };
    server.library.overrides = [
      { ...override, anchor: "aa", original: "Some day.", applies: false },
      { ...override, anchor: "bb", original: "Within 30 days.", applies: true },
    ];
    const { user } = await open();
    await user.click(await screen.findByText("1 change does not apply any more"));

    await user.click(screen.getByRole("button", { name: "Remove the change to “Some day.”" }));

    await waitFor(() => expect(screen.queryByText("1 change does not apply any more")).toBeNull());
    expect(server.calls).toContain("DELETE /knowledge/documents/d1/overrides/aa");
  });
});
