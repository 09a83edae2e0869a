import { act, screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, it } from "vitest";
import { openConsole } from "./console";
import { document } from "./made";
import { Server } from "./server";

let server: Server;

beforeEach(() => {
  server = new Server();
});

const rowOf = async (name: string): Promise<HTMLElement> => {
  const row = (await screen.findByText(name)).closest("li");
  if (!row) throw new Error(`${name} is in no row`);
  return row;
};

describe("the documents", () => {
  it("move on screen as they move on the server", async () => {
    server.documents = [document({ status: "indexing", progress: 0.4, passages: 0 })];
    await openConsole(server, "/acme/knowledge");
    expect(await screen.findByRole("progressbar", { name: "Progress of returns.md" })).toHaveValue(40);
    await screen.findByText("Live");

    act(() => server.learn(document({ passages: 2 })));

    expect(await screen.findByText("Ready")).toBeVisible();
    expect(screen.queryByRole("progressbar")).toBeNull();
  });

  it("say why one failed, under its code, and offer to try again", async () => {
    const error = { code: "encrypted", message: "The file is protected with a password." };
    server.documents = [document({ status: "failed", error, passages: 0 })];
    const { user } = await openConsole(server, "/acme/knowledge");

    const row = await rowOf("returns.md");
    expect(row).toHaveTextContent("The file is protected with a password. encrypted");
    await user.click(within(row).getByRole("button", { name: "Try again" }));

    await waitFor(() => expect(server.calls).toContain("POST /knowledge/documents/d1/retry"));
  });

  it("are deleted only after a second look", async () => {
    server.documents = [document()];
    const { user } = await openConsole(server, "/acme/knowledge");
    await user.click(await screen.findByRole("button", { name: "Delete returns.md" }));
    await user.click(await screen.findByRole("button", { name: "Cancel" }));
    expect(server.documents).toHaveLength(1);

    await user.click(screen.getByRole("button", { name: "Delete returns.md" }));
    await user.click(await screen.findByRole("button", { name: "Delete document" }));

    await screen.findByText("No documents yet");
    expect(server.documents).toEqual([]);
  });

  it("cannot be changed by who only answers visitors", async () => {
    server.role = "agent";
    server.documents = [document()];
    await openConsole(server, "/acme/knowledge");

    await rowOf("returns.md");
    expect(screen.queryByRole("button", { name: /Upload|Delete/ })).toBeNull();
  });
});

describe("uploading", () => {
  const file = (name: string, size = 3): File => {
    const made = new File(["abc"], name);
    Object.defineProperty(made, "size", { value: size });
    return made;
  };

  it("sends each file, and tells beside each what is wrong with it", async () => {
    const { user } = await openConsole(server, "/acme/knowledge");

    await user.upload(await screen.findByLabelText("Files to upload"), [
      file("a.md"),
      file("empty.md", 0),
      file("big.pdf", 20_000_001),
    ]);

    expect(await rowOf("empty.md")).toHaveTextContent("The file is empty.");
    expect(await rowOf("big.pdf")).toHaveTextContent("at most 20.0 MB");
    await waitFor(() => expect(server.documents).toHaveLength(1));
    await waitFor(() => expect(screen.queryByText("a.md")).toBeNull());
    expect(server.calls.filter((call) => call === "POST /knowledge/documents")).toHaveLength(1);
  });

  it("offers to send again what may yet succeed, and not what cannot", async () => {
    server.refusals.set("/documents", {
      status: 503,
      code: "unavailable",
      message: "Not now.",
      retry: "backoff",
    });
    const { user } = await openConsole(server, "/acme/knowledge");
    const picker = await screen.findByLabelText("Files to upload");
    await user.upload(picker, file("a.md"));
    const again = await within(await rowOf("a.md")).findByRole("button", { name: "Try again" });

    server.refusals.set("/documents", {
      status: 400,
      code: "unsupported",
      message: "Not such a file.",
      retry: "never",
    });
    await user.click(again);
    expect(await screen.findByText("Not such a file.")).toBeVisible();
    expect(within(await rowOf("a.md")).queryByRole("button", { name: "Try again" })).toBeNull();
  });
});

describe("a question to try", () => {
  const passage = {
    id: "p1",
    document_id: "d1",
    ord: 0,
    heading: "Returns",
    page: 3,
    text: "Within 30 days.",
  };

  it("shows what would be found, with its scores, and what the bot would do", async () => {
    server.band = "answered";
    server.hits = [{ passage, title: "returns.md", lexical: 1.32, vector: 0.64, score: 0.987 }];
    const { user } = await openConsole(server, "/acme/knowledge");

    await user.type(await screen.findByRole("textbox", { name: "Question" }), "How do I return it?{Enter}");

    expect(await screen.findByText("The bot would answer from these passages.")).toBeVisible();
    expect(screen.getByRole("link", { name: "returns.md · Returns · page 3" })).toBeVisible();
    expect(screen.getByText("Within 30 days.")).toBeVisible();
    expect(["0.99", "1.32", "0.64"].map((score) => screen.getByText(score))).toHaveLength(3);
  });

  it("says so when the bot would not know", async () => {
    const { user } = await openConsole(server, "/acme/knowledge");

    await user.type(await screen.findByRole("textbox", { name: "Question" }), "Who are you?{Enter}");

    expect(
      await screen.findByText("The bot would say that it does not know, and offer a person."),
    ).toBeVisible();
    expect(screen.getByText("No passage fits at all.")).toBeVisible();
  });
});
