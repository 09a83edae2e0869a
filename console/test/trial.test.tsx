import { screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, it } from "vitest";
import { openConsole } from "./console";
import { embeddings, hit, passage, searchReply, site } from "./known";
import { Server } from "./server";

let server: Server;

beforeEach(() => {
  server = new Server();
});

describe("a question to try", () => {
  it("shows what would be found, with its scores, and what the bot would do", async () => {
    const words = [{ lexeme: "return", idf: 4.2, tf: 2, corrected_from: "retrun" }];
    server.library.reply = searchReply({ band: "answered", items: [hit({ words, reranked: 0.93 })] });
    const { user } = await openConsole(server, "/acme/knowledge/try");

    await user.type(await screen.findByRole("textbox", { name: "Question" }), "How do I return it?{Enter}");

    expect(await screen.findByText("The bot would answer from these passages.")).toBeVisible();
    expect(screen.getByRole("link", { name: "returns.md · Returns · page 3" })).toHaveAttribute(
      "href",
      "/console/acme/knowledge/d1?passage=p1",
    );
    expect(screen.getByText("Within 30 days.")).toBeVisible();
    expect(["0.99", "1.32", "0.64"].map((score) => screen.getByText(score))).toHaveLength(3);
    expect(screen.getByRole("list", { name: "Words matched" })).toHaveTextContent("return ×2 for “retrun”");
    expect(screen.getByText("Reranked 0.93")).toBeVisible();
  });

  it("says so when the bot would not know, and how near that was", async () => {
    const { user } = await openConsole(server, "/acme/knowledge/try");

    await user.type(await screen.findByRole("textbox", { name: "Question" }), "Who are you?{Enter}");

    expect(
      await screen.findByText("The bot would say that it does not know, and offer a person."),
    ).toBeVisible();
    expect(screen.getByText("No passage fits at all.")).toBeVisible();
    expect(screen.getByRole("meter", { name: "Evidence" })).toHaveAttribute(
      "aria-valuetext",
      "10\u00a0%; the nearest sources are offered from 25\u00a0%, answers are given from 60\u00a0%",
    );
  });

  it("says what was searched instead, and which answer would be given word for word", async () => {
    const curated = { document_id: "f1", question: "Returns?", answer: "Thirty days.", match: 0.97 };
    const corrections = [{ said: "retrun", meant: "return" }];
    server.library.reply = searchReply({ query: "retrun a kettle", corrections, curated });
    await openConsole(server, "/acme/knowledge/try?q=retrun%20it");

    expect(await screen.findByText("retrun a kettle")).toBeVisible();
    expect(screen.getByText("return")).toBeVisible();
    expect(screen.getByText("The bot would give this answer word for word.")).toBeVisible();
    expect(screen.getByText("Thirty days.")).toBeVisible();
    expect(screen.getByText("The question fits to 97 %.")).toBeVisible();
  });

  it("is asked as a site's visitor and after earlier questions, and the address keeps all of it", async () => {
    server.library.sites = [site({ labels: ["trade"] })];
    const { user, path } = await openConsole(server, "/acme/knowledge/try");
    await user.type(await screen.findByRole("textbox", { name: "Question" }), "And to France?");
    await user.click(screen.getByText("As whom, and after what"));
    await user.selectOptions(screen.getByRole("combobox", { name: "As a visitor of" }), "Shop (trade)");
    await user.type(screen.getByRole("textbox", { name: "Asked before" }), "What does shipping cost?");

    await user.click(screen.getByRole("button", { name: "Try" }));

    await waitFor(() =>
      expect(server.library.sent).toEqual([
        { query: "And to France?", limit: 10, history: ["What does shipping cost?"], site_id: "s1" },
      ]),
    );
    expect(path()).toContain("site=s1");
    expect(screen.getByRole("textbox", { name: "Question" })).toHaveValue("And to France?");
  });

  it("is searched again when it is tried again: the documents may have changed", async () => {
    const { user } = await openConsole(server, "/acme/knowledge/try?q=Hello");
    await screen.findByText("No passage fits at all.");
    server.library.reply = searchReply({ items: [hit({ passage: passage({ text: "New." }) })] });

    await user.click(screen.getByRole("button", { name: "Try" }));

    expect(await screen.findByText("New.")).toBeVisible();
  });
});

describe("the model of the search by meaning", () => {
  const card = () => screen.findByRole("region", { name: "Search by meaning" });

  it("is told, and that every passage is compared", async () => {
    await openConsole(server, "/acme/knowledge/try");

    expect(await within(await card()).findByText("wordllama-l2-supercat-256")).toBeVisible();
    expect(await card()).toHaveTextContent("10 of 10");
    expect(await card()).toHaveTextContent("Exact");
    expect(within(await card()).queryByRole("button")).toBeNull();
  });

  it("shows how far a switch is, on every page of the knowledge base", async () => {
    server.library.embeddings = embeddings({ next_model: "big-1", embedded: 4, progress: 0.4 });
    const { user } = await openConsole(server, "/acme/knowledge");

    expect(await screen.findByText(/moves to another model: 40 %/)).toBeVisible();
    await user.click(screen.getByRole("link", { name: "Show more" }));
    expect(
      await within(await card()).findByRole("progressbar", { name: /move to another model/ }),
    ).toHaveValue(0.4);
  });

  it("is gone back from only after a second look", async () => {
    server.library.embeddings = embeddings({ model: "big-1", previous_model: "small-1" });
    const { user } = await openConsole(server, "/acme/knowledge/try");
    await user.click(await screen.findByRole("button", { name: "Go back to the previous model" }));
    expect(await screen.findByRole("alertdialog")).toHaveTextContent("searched with small-1 at once");

    await user.click(screen.getByRole("button", { name: "Go back" }));

    expect(await within(await card()).findByText("small-1")).toBeVisible();
    expect(server.calls).toContain("POST /knowledge/embeddings/rollback");
  });
});
