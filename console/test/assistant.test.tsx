import { screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, it } from "vitest";
import { keys } from "../src/keys";
import { allowance, budget, model, persona } from "./assistant";
import { openConsole } from "./console";
import { Server } from "./server";

let server: Server;

beforeEach(() => {
  server = new Server();
});

const refusal = (code: string, message: string, status = 400) =>
  ({ status, code, message, retry: "never" }) as const;

describe("the assistant", () => {
  it("has its own place, with persona, models and budget", async () => {
    const { user, path } = await openConsole(server, "/acme/inbox");

    await user.click(await screen.findByRole("link", { name: "Assistant" }));
    await user.click(await screen.findByRole("link", { name: "Budget" }));

    await screen.findByRole("heading", { name: "Allowances for a day" });
    expect(path()).toBe("/acme/assistant/budget");
    expect(document.title).toBe("Assistant · Acme");
  });

  it("is only looked at by who answers visitors, without its models", async () => {
    server.role = "agent";
    server.assistant.persona.published = persona({ version: 2, name: "Fern" });
    const { user } = await openConsole(server, "/acme/assistant");

    expect(await screen.findByRole("region", { name: "Live" })).toHaveTextContent("Fern");
    expect(screen.queryByRole("form")).toBeNull();
    expect(screen.queryByRole("button", { name: /Restore|Publish/ })).toBeNull();
    expect(screen.queryByRole("link", { name: "Models" })).toBeNull();

    await user.click(screen.getByRole("link", { name: "Budget" }));
    for (const field of await screen.findAllByRole("textbox")) expect(field).toBeDisabled();
    expect(screen.queryByRole("button", { name: "Save" })).toBeNull();
    expect(server.calls.filter((call) => call.includes("/org/models"))).toEqual([]);
  });
});

describe("the persona", () => {
  const open = async () => {
    const opened = await openConsole(server, "/acme/assistant");
    const form = await screen.findByRole("form", { name: "Draft" });
    return { ...opened, form, field: (name: string) => within(form).getByLabelText(name) };
  };
  const live = () => screen.getByRole("region", { name: "Live" });

  it("is drafted beside what is live, and nothing is live before it is published", async () => {
    const { user, form, field } = await open();
    expect(within(form).getByText("As it is live")).toBeVisible();

    await user.clear(field("Name"));
    await user.type(field("Name"), "Fern");
    await user.selectOptions(field("Tone"), "Formal");
    await user.selectOptions(field("Language"), "Always German");
    await user.type(field("Instructions"), "Be brief.");
    await user.type(field("Words never to say"), " guarantee {Enter}{Enter}best  price{Enter}guarantee");
    await user.type(field("Hosts it may link to"), "docs.example.org");
    expect(within(form).getByText("9 of 4,000")).toBeVisible();
    expect(within(form).getByText("Not saved")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Save draft" }));

    expect(await within(form).findByText("Saved, not published")).toBeVisible();
    expect(server.assistant.sent).toEqual([
      {
        name: "Fern",
        tone: "formal",
        length: "short",
        language: "de",
        instructions: "Be brief.",
        never_say: ["guarantee", "best price"],
        link_hosts: ["docs.example.org"],
      },
    ]);
    expect(live()).not.toHaveTextContent("Fern");
    expect(within(live()).getAllByText("Differs from the draft")).toHaveLength(6);

    await user.click(screen.getByRole("button", { name: "Publish" }));
    await user.click(within(await screen.findByRole("alertdialog")).getByRole("button", { name: "Publish" }));

    await waitFor(() => expect(live()).toHaveTextContent("Fern"));
    expect(within(live()).queryByText("Differs from the draft")).toBeNull();
    expect(screen.getByRole("region", { name: "History" })).toHaveTextContent(
      /Version 1.*Ana.*Live.*Built in/,
    );
  });

  it("is published as it is typed, in one go", async () => {
    const { user, field } = await open();
    await user.type(field("Instructions"), "Be brief.");

    await user.click(screen.getByRole("button", { name: "Publish" }));
    await user.click(within(await screen.findByRole("alertdialog")).getByRole("button", { name: "Publish" }));

    await waitFor(() => expect(live()).toHaveTextContent("Be brief."));
    expect(server.calls.filter((call) => !call.startsWith("GET") && call.includes("/org/"))).toEqual([
      "PUT /org/persona/draft",
      "POST /org/persona/publish",
    ]);
  });

  it("says what is wrong beside its field, before and after it travels", async () => {
    server.fail("/persona/draft", refusal("bad_host", "Write a host such as docs.example.org."));
    const { user, field } = await open();
    await user.clear(field("Name"));
    expect(field("Name")).toHaveAccessibleDescription(/Give the bot a name/);
    expect(screen.getByRole("button", { name: "Save draft" })).toBeDisabled();

    await user.type(field("Name"), "Fern");
    await user.type(field("Hosts it may link to"), "not-a-host-");
    await user.click(screen.getByRole("button", { name: "Save draft" }));

    await waitFor(() =>
      expect(field("Hosts it may link to")).toHaveAccessibleDescription(/Write a host such as/),
    );
    expect(field("Hosts it may link to")).toHaveValue("not-a-host-");
    expect(field("Name")).toHaveValue("Fern");
  });

  it("told of a refusal about no field, keeps what was typed", async () => {
    server.fail("/persona/draft", refusal("overloaded", "Try again in a moment.", 503));
    const { user, field } = await open();
    await user.type(field("Instructions"), "Be brief.");

    await user.click(screen.getByRole("button", { name: "Save draft" }));

    expect(await screen.findByRole("alert")).toHaveTextContent("Try again in a moment.");
    expect(field("Instructions")).toHaveValue("Be brief.");
  });

  it("keeps what is typed while a colleague saves, says so, and shows theirs when asked", async () => {
    const { user, client, field } = await open();
    await user.type(field("Instructions"), "Mine.");

    server.assistant.persona.draft = persona({ version: 1, instructions: "Theirs." });
    await client.invalidateQueries({ queryKey: keys.persona("acme") });

    expect(await screen.findByText(/A colleague changed what is stored meanwhile/)).toBeVisible();
    expect(field("Instructions")).toHaveValue("Mine.");
    await user.click(screen.getByRole("button", { name: "Show theirs" }));
    expect(field("Instructions")).toHaveValue("Theirs.");
  });

  it("follows what a colleague saves while nothing is typed", async () => {
    const { client, field } = await open();

    server.assistant.persona.draft = persona({ version: 1, instructions: "Theirs." });
    await client.invalidateQueries({ queryKey: keys.persona("acme") });

    await waitFor(() => expect(field("Instructions")).toHaveValue("Theirs."));
    expect(screen.queryByText(/A colleague changed/)).toBeNull();
  });

  it("is not left by a slip", async () => {
    const { user, path, field } = await open();
    await user.type(field("Instructions"), "Mine.");

    await user.click(screen.getByRole("link", { name: "Models" }));
    await user.click(await screen.findByRole("button", { name: "Cancel" }));
    expect(path()).toBe("/acme/assistant");
    expect(field("Instructions")).toHaveValue("Mine.");

    await user.click(screen.getByRole("link", { name: "Models" }));
    await user.click(within(await screen.findByRole("alertdialog")).getByRole("button", { name: "Discard" }));
    await waitFor(() => expect(path()).toBe("/acme/assistant/models"));
  });

  it("a draft is discarded after a second look", async () => {
    server.assistant.persona.draft = persona({ version: 1, instructions: "Be brief." });
    const { user, field } = await open();

    await user.click(screen.getByRole("button", { name: "Discard" }));
    expect(server.assistant.persona.draft).not.toBeNull();
    await user.click(within(await screen.findByRole("alertdialog")).getByRole("button", { name: "Discard" }));

    await waitFor(() => expect(field("Instructions")).toHaveValue(""));
    expect(server.assistant.persona.draft).toBeNull();
  });

  it("of before is copied into the draft, and the draft it replaces is named", async () => {
    server.assistant.persona = {
      published: persona({ version: 2, name: "Two" }),
      draft: persona({ version: 3, name: "Three" }),
      versions: [
        { version: 2, published_at: "2026-11-21T08:00:00Z", by: "Ben" },
        { version: 1, published_at: "2026-11-20T08:00:00Z", by: null },
      ],
    };
    const { user, field } = await open();

    await user.click(screen.getByRole("button", { name: "Restore Version 1" }));
    const question = await screen.findByRole("alertdialog", { name: "Restore version 1?" });
    expect(question).toHaveAccessibleDescription(/which it replaces/);
    await user.click(within(question).getByRole("button", { name: "Restore" }));

    await waitFor(() => expect(field("Name")).toHaveValue("As in 1"));
    expect(live()).toHaveTextContent("Two");
    expect(screen.queryByRole("button", { name: "Restore Version 2" })).toBeNull();
  });
});

describe("the models", () => {
  const open = async () => {
    const { user } = await openConsole(server, "/acme/assistant/models");
    const first = await screen.findByRole("article", { name: "First model" });
    const second = screen.getByRole("article", { name: "Second model" });
    return { user, first, second };
  };

  it("say what answers while none is set", async () => {
    const { first } = await open();
    expect(first).toHaveTextContent(/quotes your documents word for word, and no question leaves/);
  });

  it("say that the service's own model answers where it has one", async () => {
    server.assistant.install = "gpt-4.1-mini";
    const { first } = await open();

    expect(first).toHaveTextContent("the service's own model is asked, gpt-4.1-mini");
  });

  it("are set with a key that goes in and does not come out", async () => {
    const { user, first } = await open();
    await user.click(screen.getByRole("button", { name: "Set the first model" }));

    await user.type(await screen.findByLabelText("Model"), " gpt-x ");
    await user.type(screen.getByLabelText("Base URL (optional)"), "https://models.example/v1");
    const key = screen.getByLabelText("Key");
    expect(key).toHaveAttribute("type", "password");
    await user.type(key, "sk-0123456789abcd");
    await user.type(screen.getByLabelText("Temperature (optional)"), "0,2");
    await user.type(screen.getByLabelText("Price in (optional)"), "0.4");
    await user.type(screen.getByLabelText("Price out (optional)"), "1.6");
    await user.click(screen.getByRole("button", { name: "Save" }));

    await waitFor(() => expect(first).toHaveTextContent("stored, ends in abcd"));
    expect(server.assistant.sent).toEqual([
      {
        model: "gpt-x",
        base_url: "https://models.example/v1",
        key: "sk-0123456789abcd",
        temperature: 0.2,
        input_price: 0.4,
        output_price: 1.6,
      },
    ]);
    expect(document.body).not.toHaveTextContent("sk-0123");
  });

  it("keep their stored key when none is typed, and lose it only when told so", async () => {
    server.assistant.models = [model()];
    const { user, first } = await open();
    await user.click(within(first).getByRole("button", { name: "Edit" }));
    expect(await screen.findByLabelText("Key")).toHaveValue("");
    expect(screen.getByLabelText("Key")).toHaveAccessibleDescription(/ends in c0de/);
    await user.clear(screen.getByLabelText("Temperature (optional)"));
    await user.click(screen.getByRole("button", { name: "Save" }));
    await waitFor(() => expect(server.assistant.sent).toHaveLength(1));
    expect(server.assistant.sent[0]).not.toHaveProperty("key");
    expect(server.assistant.sent[0]).toMatchObject({ temperature: null });

    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    await user.click(within(first).getByRole("button", { name: "Edit" }));
    await user.click(await screen.findByRole("switch", { name: "Remove the stored key" }));
    await user.click(screen.getByRole("button", { name: "Save" }));

    await waitFor(() => expect(first).toHaveTextContent("Keynone"));
    expect(server.assistant.sent[1]).toMatchObject({ key: "" });
  });

  it("say beside each field what is wrong, before anything is sent", async () => {
    const { user } = await open();
    await user.click(screen.getByRole("button", { name: "Set the second model" }));
    await user.type(await screen.findByLabelText("Base URL (optional)"), "models.example");
    await user.type(screen.getByLabelText("Temperature (optional)"), "3");
    await user.type(screen.getByLabelText("Price in (optional)"), "1");

    await user.click(screen.getByRole("button", { name: "Save" }));

    expect(screen.getByLabelText("Model")).toHaveFocus();
    expect(screen.getByLabelText("Model")).toBeInvalid();
    expect(screen.getByLabelText("Base URL (optional)")).toHaveAccessibleDescription(/begins with https/);
    expect(screen.getByLabelText("Temperature (optional)")).toHaveAccessibleDescription(/from 0 to 2/);
    expect(screen.getByLabelText("Price out (optional)")).toHaveAccessibleDescription(/both prices/);
    expect(server.assistant.sent).toEqual([]);
  });

  it("ask for the key again when the address is another, beside the key", async () => {
    server.assistant.models = [model()];
    server.fail("/org/models/1", refusal("key_needed", "Enter the key for this address."));
    const { user, first } = await open();
    await user.click(within(first).getByRole("button", { name: "Edit" }));
    await user.type(await screen.findByLabelText("Base URL (optional)"), "/other");

    await user.click(screen.getByRole("button", { name: "Save" }));

    await waitFor(() =>
      expect(screen.getByLabelText("Key")).toHaveAccessibleDescription(/Enter the key for this address/),
    );
    expect(screen.getByLabelText("Base URL (optional)")).toHaveValue("https://models.example/v1/other");
  });

  it("are tested, and say in words how that went", async () => {
    server.assistant.models = [model()];
    const { user, first } = await open();
    await user.click(within(first).getByRole("button", { name: "Test" }));
    expect(
      await within(first).findByText(/gpt-x answered in 800 ms\. The first word came after 320.ms\./),
    ).toBeVisible();

    server.assistant.test = { ok: false, code: "refused", message: "Check the key.", first_ms: null };
    await user.click(within(first).getByRole("button", { name: "Test" }));
    expect(await within(first).findByText("Check the key.", { exact: false })).toHaveTextContent("refused");

    server.fail("/test", refusal("too_many", "Wait a minute.", 429));
    await user.click(within(first).getByRole("button", { name: "Test" }));
    expect(await within(first).findByText(/Wait a minute/)).toBeVisible();
  });

  it("are removed after a second look", async () => {
    server.assistant.models = [model()];
    const { user, first } = await open();

    await user.click(within(first).getByRole("button", { name: "Remove" }));
    expect(server.assistant.models).toHaveLength(1);
    await user.click(within(await screen.findByRole("alertdialog")).getByRole("button", { name: "Remove" }));

    await waitFor(() => expect(first).toHaveTextContent("None is set"));
    expect(server.assistant.models).toEqual([]);
  });
});

describe("the budget", () => {
  const open = async () => {
    const opened = await openConsole(server, "/acme/assistant/budget");
    const field = async (scope: string, name: string) =>
      within(await screen.findByRole("group", { name: scope })).getByLabelText(name);
    return { ...opened, field };
  };

  it("shows what today has taken of what is allowed, and the days before", async () => {
    server.assistant.budget = budget({
      allowances: [allowance({ answers_per_day: 10 })],
      today: { answers: 12, tokens: 9_000_000, cost: 0.05, visitors_at_limit: 2 },
      days: [
        { day: "2026-11-21", answers: 12, tokens: 34_000, cost: 0.05 },
        { day: "2026-11-20", answers: 0, tokens: 0, cost: null },
      ],
    });
    await open();

    const answers = await screen.findByRole("meter", { name: "Answers today" });
    expect(answers).toHaveAttribute("aria-valuetext", "12 of 10");
    expect(screen.getByText(/12 of 10/)).toHaveTextContent("used up");
    expect(screen.getByRole("meter", { name: "Tokens today" })).toHaveAttribute(
      "aria-valuetext",
      "9,000,000 of 10,000,000",
    );
    expect(screen.getByText("2 visitors at their limit")).toBeVisible();
    const rows = screen.getAllByRole("row");
    expect(rows[1]).toHaveTextContent(/Nov 21|21 Nov/);
    expect(rows[1]).toHaveTextContent(/1234,0000\.05$/);
    expect(rows[2]).toHaveTextContent(/00–$/);
  });

  it("is changed where one types, and follows the default where one empties a field", async () => {
    server.assistant.budget = budget({
      allowances: [
        allowance({ scope: "visitor", answers_per_day: 20 }),
        allowance({ scope: "site" }),
        allowance({ answers_per_day: 900 }),
      ],
    });
    const { user, field } = await open();
    expect(await field("Each site", "Answers")).toHaveAttribute("placeholder", "5,000 (default)");
    expect(await field("Each visitor", "Answers")).toHaveValue("20");

    await user.clear(await field("Each visitor", "Answers"));
    await user.type(await field("Each visitor", "Tokens"), "50,000");
    await user.click(screen.getByRole("button", { name: "Save" }));

    expect(await screen.findByText("The allowances were saved.")).toBeVisible();
    expect(server.assistant.sent).toEqual([
      { allowances: [{ scope: "visitor", answers_per_day: null, tokens_per_day: 50_000 }] },
    ]);
    expect(await field("Each visitor", "Tokens")).toHaveValue("50000");
    expect(screen.getByRole("button", { name: "Save" })).toBeDisabled();
  });

  it("says what is no number, and sends nothing", async () => {
    const { user, field } = await open();

    await user.type(await field("Each site", "Answers"), "1.5");

    expect(await field("Each site", "Answers")).toHaveAccessibleDescription(/whole number/);
    expect(screen.getByRole("button", { name: "Save" })).toBeDisabled();
  });

  it("keeps what is typed while it is read again, and when the server refuses", async () => {
    const { user, client, field } = await open();
    await user.type(await field("Each site", "Answers"), "7");
    await client.invalidateQueries({ queryKey: keys.budget("acme") });
    expect(await field("Each site", "Answers")).toHaveValue("7");

    server.fail("/org/budget", refusal("forbidden", "Owners and administrators change this.", 403));
    await user.click(screen.getByRole("button", { name: "Save" }));

    expect(await screen.findByRole("alert")).toHaveTextContent("Owners and administrators change this.");
    expect(await field("Each site", "Answers")).toHaveValue("7");
  });

  it("is not left by a slip", async () => {
    const { user, path, field } = await open();
    await user.type(await field("Each site", "Answers"), "7");

    await user.click(screen.getByRole("link", { name: "Inbox" }));
    await user.click(await screen.findByRole("button", { name: "Cancel" }));

    expect(path()).toBe("/acme/assistant/budget");
    expect(await field("Each site", "Answers")).toHaveValue("7");
  });
});
