import { act, screen, waitFor } from "@testing-library/react";
import { beforeEach, describe, expect, it } from "vitest";
import { openConsole } from "./console";
import { crawl, crawlPage, site } from "./known";
import { Server } from "./server";

let server: Server;

beforeEach(() => {
  server = new Server();
});

describe("websites", () => {
  it("are listed with what became of their pages, and the last error", async () => {
    const error = { code: "site_down", message: "Many pages in a row could not be fetched." };
    server.library.crawls = [crawl({ status: "failed", error, labels: ["trade"] })];
    await openConsole(server, "/acme/knowledge/websites");

    const row = (await screen.findByText("https://shop.example/help")).closest("li");
    expect(row).toHaveTextContent("15 pages");
    expect(row).toHaveTextContent("1 failed");
    expect(row).toHaveTextContent("2 left out");
    expect(row).toHaveTextContent("Many pages in a row could not be fetched. site_down");
    expect(row).toHaveTextContent("trade");
  });

  it("are added, an address without a scheme as https", async () => {
    const { user } = await openConsole(server, "/acme/knowledge/websites");
    await user.click(await screen.findByRole("button", { name: "Add a website" }));

    await user.type(await screen.findByRole("textbox", { name: "Address" }), "shop.example/help");
    await user.clear(screen.getByRole("textbox", { name: "Depth" }));
    await user.type(screen.getByRole("textbox", { name: "Depth" }), "2");
    await user.selectOptions(screen.getByRole("combobox", { name: "Read again" }), "Every day");
    await user.click(screen.getByRole("button", { name: "Add and read" }));

    expect(await screen.findByRole("link", { name: "https://shop.example/help" })).toBeVisible();
    expect(server.library.sent).toEqual([
      {
        url: "https://shop.example/help",
        kind: "site",
        depth: 2,
        pages_max: 200,
        delay_ms: 1_000,
        schedule: "daily",
        labels: [],
      },
    ]);
  });

  it("say which figure is out of bounds before anything is sent", async () => {
    const { user } = await openConsole(server, "/acme/knowledge/websites");
    await user.click(await screen.findByRole("button", { name: "Add a website" }));
    await user.type(await screen.findByRole("textbox", { name: "Address" }), "not an address");
    await user.type(screen.getByRole("textbox", { name: "Depth" }), "x");

    await user.click(screen.getByRole("button", { name: "Add and read" }));

    expect(screen.getByRole("textbox", { name: "Address" })).toBeInvalid();
    expect(screen.getByRole("textbox", { name: "Address" })).toHaveFocus();
    expect(screen.getByRole("textbox", { name: "Depth" })).toBeInvalid();
    expect(server.library.sent).toEqual([]);
  });

  it("ask for no depth where only one page is read", async () => {
    const { user } = await openConsole(server, "/acme/knowledge/websites");
    await user.click(await screen.findByRole("button", { name: "Add a website" }));

    await user.click(await screen.findByRole("radio", { name: /One page/ }));

    expect(screen.queryByRole("textbox", { name: "Depth" })).toBeNull();
    expect(screen.queryByRole("textbox", { name: "Pages at most" })).toBeNull();
  });

  it("move on screen as they are read", async () => {
    server.library.crawls = [crawl({ status: "queued" })];
    await openConsole(server, "/acme/knowledge/websites");
    await screen.findByText("Queued");
    await screen.findByText("Live");

    const counts = { waiting: 5, fetched: 4, unchanged: 0, skipped: 1, failed: 0, gone: 0 };
    act(() => server.crawled(crawl({ status: "running", counts })));

    expect(await screen.findByRole("progressbar")).toHaveValue(0.5);
    expect(screen.getByText("5 waiting")).toBeVisible();
    expect(screen.getByRole("button", { name: "Reading…" })).toBeDisabled();
  });

  it("are deleted with their pages, or without", async () => {
    server.library.crawls = [crawl()];
    const { user } = await openConsole(server, "/acme/knowledge/websites");
    await user.click(await screen.findByRole("button", { name: /^More about/ }));
    await user.click(await screen.findByRole("menuitem", { name: "Delete" }));
    await user.click(await screen.findByRole("radio", { name: /Keep its pages/ }));

    await user.click(screen.getByRole("button", { name: "Delete website" }));

    expect(await screen.findByText("No websites yet")).toBeVisible();
    expect(server.calls).toContain("DELETE /knowledge/crawls/w1?keep_documents=true");
  });
});

describe("a website", () => {
  it("shows its pages by status, each with its error", async () => {
    server.library.crawls = [crawl()];
    server.library.pages = [
      crawlPage(),
      crawlPage({
        url: "https://shop.example/help/old",
        status: "failed",
        http_status: 500,
        document_id: null,
        error: { code: "http_error", message: "The website answered with an error." },
      }),
    ];
    const { user, path } = await openConsole(server, "/acme/knowledge/websites/w1");
    expect(await screen.findByRole("link", { name: "https://shop.example/help/returns" })).toHaveAttribute(
      "href",
      "/console/acme/knowledge/d1",
    );

    await user.click(screen.getByRole("button", { name: "Failed 1" }));

    await waitFor(() => expect(screen.queryByText("https://shop.example/help/returns")).toBeNull());
    expect(screen.getByText("https://shop.example/help/old").closest("li")).toHaveTextContent(
      "The website answered with an error. http_error · HTTP 500",
    );
    expect(path()).toBe("/acme/knowledge/websites/w1?status=failed");
  });
});

describe("a site", () => {
  it("says what its visitors are answered from, and lets an administrator change that", async () => {
    server.library.sites = [site()];
    const { user } = await openConsole(server, "/acme/sites");
    expect(
      await screen.findByText("Visitors of this site are answered from documents without labels only."),
    ).toBeVisible();

    await user.click(screen.getByRole("button", { name: "Edit the labels of Shop" }));
    await user.type(await screen.findByRole("textbox", { name: "Labels" }), "trade");
    await user.click(screen.getByRole("button", { name: "Save labels" }));

    expect(
      await screen.findByText(
        "Visitors of this site are answered from documents without labels and from those with the label “trade”.",
      ),
    ).toBeVisible();
  });

  it("cannot be changed by who only answers visitors", async () => {
    server.role = "agent";
    server.library.sites = [site()];
    await openConsole(server, "/acme/sites");
    await screen.findByText("Shop");

    expect(screen.queryByRole("button", { name: /labels/ })).toBeNull();
  });
});
