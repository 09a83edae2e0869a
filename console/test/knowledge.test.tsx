import { act, screen, waitFor, within } from "@testing-library/react";
import type { UserEvent } from "@testing-library/user-event";
import { beforeEach, describe, expect, it } from "vitest";
import { openConsole } from "./console";
import { document, version } from "./known";
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

const choose = async (user: UserEvent, name: string, act: string): Promise<void> => {
  await user.click(await screen.findByRole("button", { name: `More about ${name}` }));
  await user.click(await screen.findByRole("menuitem", { name: act }));
};

describe("the documents", () => {
  it("move on screen as they move on the server", async () => {
    server.library.documents = [document({ status: "indexing", progress: 0.4, passages: 0 })];
    await openConsole(server, "/acme/knowledge");
    expect(await screen.findByRole("progressbar", { name: "Progress of returns.md" })).toHaveValue(40);
    await screen.findByText("Live");

    act(() => server.learn(document({ passages: 2 })));

    expect(await screen.findByText("Ready")).toBeVisible();
    expect(screen.queryByRole("progressbar")).toBeNull();
  });

  it("say why one failed, under its code, and offer to try again", async () => {
    const error = { code: "interrupted", message: "The work on this document was interrupted." };
    server.library.documents = [document({ status: "failed", error, passages: 0 })];
    const { user } = await openConsole(server, "/acme/knowledge");

    const row = await rowOf("returns.md");
    expect(row).toHaveTextContent("The work on this document was interrupted. interrupted");
    await user.click(within(row).getByRole("button", { name: "Try again" }));

    await waitFor(() => expect(server.calls).toContain("POST /knowledge/documents/d1/retry"));
  });

  it.each([
    ["encrypted", "Save a copy without the password.", "Save a copy without the password. encrypted"],
    ["too_large", "At most 9 characters.", "At most 9 characters. Split it into smaller documents. too_large"],
    ["too_large", "Too large. Split it.", "Too large. Split it. too_large"],
  ])("say what to do where trying again cannot help (%s: %s)", async (code, message, said) => {
    server.library.documents = [document({ status: "failed", error: { code, message }, passages: 0 })];
    await openConsole(server, "/acme/knowledge");

    const row = await rowOf("returns.md");
    expect(row).toHaveTextContent(said);
    expect(within(row).queryByRole("button", { name: "Try again" })).toBeNull();
  });

  it("are deleted only after a second look, which then tells what went with them", async () => {
    server.library.documents = [document()];
    server.library.removed = { passages: 12, postings: 310, vectors: 12, files: 2, versions: 3 };
    const { user } = await openConsole(server, "/acme/knowledge");
    await choose(user, "returns.md", "Delete");
    await user.click(await screen.findByRole("button", { name: "Cancel" }));
    expect(server.library.documents).toHaveLength(1);

    await choose(user, "returns.md", "Delete");
    await user.click(await screen.findByRole("button", { name: "Delete document" }));

    const told = await screen.findByRole("dialog", { name: "“returns.md” was deleted" });
    expect(told).toHaveTextContent(
      "12 passages, 12 vectors, 310 words in the index, 3 versions and 2 stored files",
    );
    await user.click(within(told).getByRole("button", { name: "Done" }));
    await screen.findByText("No documents yet");
  });

  it("say in the question itself why they could not be deleted", async () => {
    server.library.documents = [document()];
    server.fail("/documents/d1", { status: 503, code: "busy", message: "Not now.", retry: "backoff" });
    const { user } = await openConsole(server, "/acme/knowledge");
    await choose(user, "returns.md", "Delete");

    await user.click(await screen.findByRole("button", { name: "Delete document" }));

    expect(await screen.findByRole("alert")).toHaveTextContent("Not now.");
    expect(screen.getByRole("alertdialog")).toBeVisible();
  });

  it("are filtered by kind, and the address keeps the filter", async () => {
    const page = document({ id: "d2", kind: "page", name: "https://a.example/b", title: "Shipping" });
    server.library.documents = [document(), page];
    const { user, path } = await openConsole(server, "/acme/knowledge");
    await rowOf("returns.md");

    await user.click(screen.getByRole("button", { name: "Web pages" }));

    await waitFor(() => expect(screen.queryByText("returns.md")).toBeNull());
    expect(await rowOf("Shipping")).toHaveTextContent("https://a.example/b");
    expect(path()).toBe("/acme/knowledge?kind=page");
  });

  it("tell which version answers while another one could not be read", async () => {
    const error = { code: "malformed", message: "The file is damaged." };
    server.library.documents = [document({ status: "failed", error, version: 3, live_version: 2 })];
    await openConsole(server, "/acme/knowledge");

    expect(await rowOf("returns.md")).toHaveTextContent(
      "Version 3 could not be read; the bot answers from version 2.",
    );
  });

  it("cannot be changed by who only answers visitors", async () => {
    server.role = "agent";
    server.library.documents = [document()];
    const { user } = await openConsole(server, "/acme/knowledge");

    await rowOf("returns.md");
    expect(screen.queryByRole("button", { name: /Upload|Label/ })).toBeNull();
    await user.click(screen.getByRole("button", { name: "More about returns.md" }));
    const acts = await screen.findAllByRole("menuitem");
    expect(acts.map((act) => act.textContent)).toEqual(["Versions"]);
  });

  it("say what is wrong when they cannot be listed, and list them after another try", async () => {
    server.fail("/knowledge/documents", { status: 403, code: "forbidden", message: "No.", retry: "never" });
    const { user } = await openConsole(server, "/acme/knowledge");
    expect(await screen.findByRole("alert")).toHaveTextContent("No.");

    server.mend();
    await user.click(screen.getByRole("button", { name: "Try again" }));

    expect(await screen.findByText("No documents yet")).toBeVisible();
  });
});

describe("labels", () => {
  it("are typed, chosen from those in use, and say who is answered", async () => {
    server.library.documents = [document(), document({ id: "d2", name: "prices.md", labels: ["trade"] })];
    const { user } = await openConsole(server, "/acme/knowledge");
    await choose(user, "returns.md", "Edit labels");
    const dialog = await screen.findByRole("dialog", { name: "Labels of “returns.md”" });
    expect(dialog).toHaveTextContent("Visitors of every site are answered from it.");

    await user.click(await within(dialog).findByRole("button", { name: "trade" }));
    await user.type(within(dialog).getByRole("textbox", { name: "Labels" }), "Staff  Only");
    expect(dialog).toHaveTextContent("Only visitors of sites with the label “trade” are answered from it.");
    await user.click(within(dialog).getByRole("button", { name: "Save labels" }));

    await waitFor(() => expect(server.library.sent).toEqual([{ labels: ["staff only", "trade"] }]));
    expect(within(await rowOf("returns.md")).getByRole("list", { name: "Labels" })).toHaveTextContent(
      "staff onlytrade",
    );
  });

  it("that are none are never dropped in silence: nothing is saved", async () => {
    server.library.documents = [document()];
    const { user } = await openConsole(server, "/acme/knowledge");
    await choose(user, "returns.md", "Edit labels");
    const field = await screen.findByRole("textbox", { name: "Labels" });

    await user.type(field, "internal!");
    await user.click(screen.getByRole("button", { name: "Save labels" }));

    expect(field).toBeInvalid();
    expect(field).toHaveValue("internal!");
    expect(server.library.sent).toEqual([]);
  });

  it("of new files go with them", async () => {
    const { user } = await openConsole(server, "/acme/knowledge");
    await user.click(await screen.findByRole("button", { name: "Label new files" }));
    await user.type(await screen.findByRole("textbox", { name: "Labels" }), "staff{Enter}");
    await user.click(screen.getByRole("button", { name: "Use these labels" }));

    await user.upload(screen.getByLabelText("Files to upload"), new File(["abc"], "a.md"));

    await waitFor(() => expect(server.library.sent).toEqual([expect.objectContaining({ labels: "staff" })]));
  });
});

describe("versions", () => {
  const open = async () => {
    server.library.documents = [document({ version: 3, live_version: 3 })];
    server.library.versions = [
      version({ version: 3, live: true }),
      version({ version: 2 }),
      version({ version: 1, restorable: false }),
    ];
    const { user } = await openConsole(server, "/acme/knowledge");
    await choose(user, "returns.md", "Versions");
    return { user, sheet: await screen.findByRole("dialog", { name: "Versions" }) };
  };

  it("are listed with the live one marked, and those whose bytes are gone", async () => {
    const { sheet } = await open();

    const rows = await within(sheet).findAllByRole("listitem");
    expect(rows[0]).toHaveTextContent("Live");
    expect(rows[2]).toHaveTextContent("Its bytes are no longer kept");
    expect(within(sheet).getAllByRole("button", { name: /Restore/ })).toHaveLength(1);
  });

  it("are restored only after a second look", async () => {
    const { user, sheet } = await open();
    await user.click(await within(sheet).findByRole("button", { name: "Restore version 2" }));
    expect(await screen.findByRole("alertdialog")).toHaveTextContent("It is read again as version 4.");

    await user.click(screen.getByRole("button", { name: "Restore version" }));

    await waitFor(() => expect(server.calls).toContain("POST /knowledge/documents/d1/versions/2/restore"));
    await waitFor(() => expect(screen.queryByRole("alertdialog")).toBeNull());
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
    await waitFor(() => expect(server.library.documents).toHaveLength(1));
    await waitFor(() => expect(screen.queryByText("a.md")).toBeNull());
    expect(server.calls.filter((call) => call === "POST /knowledge/documents")).toHaveLength(1);
  });

  it("offers to send again what may yet succeed, and not what cannot", async () => {
    server.fail("/documents", {
      status: 503,
      code: "unavailable",
      message: "Not now.",
      retry: "backoff",
    });
    const { user } = await openConsole(server, "/acme/knowledge");
    const picker = await screen.findByLabelText("Files to upload");
    await user.upload(picker, file("a.md"));
    const again = await within(await rowOf("a.md")).findByRole("button", { name: "Try again" });

    server.fail("/documents", {
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
