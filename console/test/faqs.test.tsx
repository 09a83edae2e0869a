import { screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { openConsole } from "./console";
import { faq } from "./known";
import { Server } from "./server";

let server: Server;

beforeEach(() => {
  server = new Server();
});

describe("questions and answers", () => {
  it("begin with what to do", async () => {
    await openConsole(server, "/acme/knowledge/faqs");

    expect(await screen.findByText("No questions and answers yet")).toBeVisible();
    expect(screen.getByText(/Add one, or import a table/)).toBeVisible();
  });

  it("are found by their words", async () => {
    server.library.faqs = [faq(), faq({ id: "f2", question: "Do you ship abroad?" })];
    const { user } = await openConsole(server, "/acme/knowledge/faqs");
    await screen.findByText("How long may I return something?");

    await user.type(screen.getByRole("searchbox"), "ship");

    await waitFor(() => expect(screen.queryByText("How long may I return something?")).toBeNull());
    expect(screen.getByText("Do you ship abroad?")).toBeVisible();
  });

  it("are added with other ways to ask, a line each", async () => {
    const { user } = await openConsole(server, "/acme/knowledge/faqs");
    await user.click(await screen.findByRole("button", { name: "Add a question" }));

    await user.type(await screen.findByRole("textbox", { name: "Question" }), " Do you ship abroad? ");
    await user.type(
      screen.getByRole("textbox", { name: "Other ways to ask it" }),
      "to France?{Enter}{Enter}to Spain?",
    );
    await user.type(screen.getByRole("textbox", { name: "Answer" }), "Yes.");
    await user.click(screen.getByRole("switch", { name: "Word for word" }));
    await user.click(screen.getByRole("button", { name: "Save" }));

    expect(await screen.findByText("Do you ship abroad?")).toBeVisible();
    expect(server.library.sent).toEqual([
      {
        question: "Do you ship abroad?",
        variants: ["to France?", "to Spain?"],
        answer: "Yes.",
        url: null,
        labels: [],
        word_for_word: false,
        enabled: true,
      },
    ]);
  });

  it("say beside each field what is missing, before anything is sent", async () => {
    const { user } = await openConsole(server, "/acme/knowledge/faqs");
    await user.click(await screen.findByRole("button", { name: "Add a question" }));

    await user.click(await screen.findByRole("button", { name: "Save" }));

    const question = screen.getByRole("textbox", { name: "Question" });
    expect(question).toBeInvalid();
    expect(question).toHaveFocus();
    expect(question).toHaveAccessibleDescription(/as a visitor would ask it/);
    expect(screen.getByRole("textbox", { name: "Answer" })).toBeInvalid();
    expect(server.library.sent).toEqual([]);
  });

  it("stay open with what was typed when the server refuses", async () => {
    server.library.faqs = [faq()];
    server.fail("/faqs/f1", {
      status: 409,
      code: "faq_exists",
      message: "There is one already.",
      retry: "never",
    });
    const { user } = await openConsole(server, "/acme/knowledge/faqs");
    await user.click(await screen.findByRole("button", { name: /^More about/ }));
    await user.click(await screen.findByRole("menuitem", { name: "Edit" }));

    await user.type(await screen.findByRole("textbox", { name: "Answer" }), " Or more.");
    await user.click(screen.getByRole("button", { name: "Save" }));

    expect(await screen.findByRole("alert")).toHaveTextContent("There is one already.");
    expect(screen.getByRole("textbox", { name: "Answer" })).toHaveValue("Thirty days. Or more.");
  });

  it("are switched off in the list, and deleted after a second look", async () => {
    server.library.faqs = [faq()];
    const { user } = await openConsole(server, "/acme/knowledge/faqs");
    await user.click(await screen.findByRole("switch"));
    expect(await screen.findByText("Off")).toBeVisible();
    expect(server.library.faqs[0]).toMatchObject({ enabled: false, answer: "Thirty days." });

    await user.click(screen.getByRole("button", { name: /^More about/ }));
    await user.click(await screen.findByRole("menuitem", { name: "Delete" }));
    expect(server.library.faqs).toHaveLength(1);
    await user.click(await screen.findByRole("button", { name: "Delete" }));

    expect(await screen.findByText("No questions and answers yet")).toBeVisible();
  });

  it("cannot be changed by who only answers visitors", async () => {
    server.role = "agent";
    server.library.faqs = [faq()];
    await openConsole(server, "/acme/knowledge/faqs");
    await screen.findByText("Thirty days.");

    expect(screen.queryByRole("switch")).toBeNull();
    expect(screen.getAllByRole("button").map((each) => each.textContent)).not.toContain("Import");
    expect(screen.queryByRole("button", { name: /Add|More about/ })).toBeNull();
  });

  it("are exported as the server's own table", async () => {
    const make = vi.fn(() => "blob:1");
    vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: make, revokeObjectURL: () => undefined }));
    const click = vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(() => undefined);
    const { user } = await openConsole(server, "/acme/knowledge/faqs");

    await user.click(await screen.findByRole("button", { name: "Export" }));

    await waitFor(() => expect(click).toHaveBeenCalled());
    expect(make).toHaveBeenCalledWith(expect.objectContaining({ size: "question,answer\r\n".length }));
    click.mockRestore();
  });
});

describe("an import", () => {
  const table = new File(["question,answer\nA?,B."], "faqs.csv");

  it("is tried first, told row by row, and done only then", async () => {
    server.library.report = {
      added: 1,
      changed: 0,
      unchanged: 0,
      failed: 1,
      rows: [
        { row: 2, question: "A?", outcome: "added", code: null, message: null },
        {
          row: 3,
          question: "",
          outcome: "failed",
          code: "bad_question",
          message: "A question has a letter.",
        },
      ],
    };
    const { user } = await openConsole(server, "/acme/knowledge/faqs");
    await user.click(await screen.findByRole("button", { name: "Import" }));
    await user.upload(await screen.findByLabelText("Table to import"), table);

    const rows = await screen.findAllByRole("row");
    expect(rows[1]).toHaveTextContent("2A?New");
    expect(rows[2]).toHaveTextContent("3(empty)A question has a letter.Fails");
    expect(server.library.sent).toEqual([expect.objectContaining({ dry_run: "true" })]);

    await user.click(screen.getByRole("button", { name: "Import 1 question" }));

    expect(await screen.findByText("1 question was imported.")).toBeVisible();
    expect(server.library.sent.at(-1)).toMatchObject({ dry_run: "false" });
    expect(screen.getAllByRole("row")[1]).toHaveTextContent("2A?Added");
  });

  it("cannot be confirmed when it changes nothing", async () => {
    const { user } = await openConsole(server, "/acme/knowledge/faqs");
    await user.click(await screen.findByRole("button", { name: "Import" }));
    await user.upload(await screen.findByLabelText("Table to import"), table);

    await screen.findByText(/Nothing is changed yet/);
    const dialog = screen.getByRole("dialog");
    expect(within(dialog).getByRole("button", { name: "Import" })).toBeDisabled();
  });

  it("says why a table cannot be read, and takes another", async () => {
    server.fail("/faqs/import", {
      status: 400,
      code: "no_columns",
      message: "There is no column called question.",
      retry: "never",
    });
    const { user } = await openConsole(server, "/acme/knowledge/faqs");
    await user.click(await screen.findByRole("button", { name: "Import" }));

    await user.upload(await screen.findByLabelText("Table to import"), table);

    expect(await screen.findByRole("alert")).toHaveTextContent("There is no column called question.");
    expect(screen.getByRole("button", { name: "Choose a CSV file" })).toBeEnabled();
  });
});
