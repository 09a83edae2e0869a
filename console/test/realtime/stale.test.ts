import { describe, expect, it } from "vitest";
import { keys } from "../../src/keys";
import { staleAfter } from "../../src/realtime/stale";
import { signal } from "../made";

const stale = (topic: string, event: string, changed = {}) =>
  staleAfter(signal(topic, event, changed), "acme");

describe("what a signal makes stale", () => {
  it("is every list and what it cost, when something happens in the inbox", () => {
    for (const event of ["conversation.changed", "handoff.requested", "handoff.taken", "handoff.ended"]) {
      expect(stale("org:o1:inbox", event)).toEqual([keys.lists("acme"), keys.budget("acme")]);
    }
  });

  it("is the thread, when something is said, noted or handed over in it", () => {
    expect(stale("conversation:c1:messages", "message.changed")).toEqual([keys.thread("acme", "c1")]);
    expect(stale("conversation:c1:messages", "handoff.taken")).toEqual([keys.thread("acme", "c1")]);
    expect(stale("conversation:c1:staff", "message.changed")).toEqual([keys.thread("acme", "c1")]);
  });

  it("is the lists that a document may stand in, how far its vectors are, and the one that changed", () => {
    expect(stale("org:o1:knowledge", "document.changed", { ids: { document_id: "d1" } })).toEqual([
      keys.documents("acme"),
      keys.faqs("acme"),
      keys.labels("acme"),
      keys.embeddings("acme"),
      keys.document("acme", "d1"),
    ]);
  });

  it("is the list of websites and the one that is read", () => {
    expect(stale("org:o1:knowledge", "crawl.changed", { ids: { crawl_id: "w1" } })).toEqual([
      keys.crawls("acme"),
      keys.crawl("acme", "w1"),
    ]);
  });

  it("is nothing for a topic nobody here knows", () => {
    expect(stale("org:o1:dashboard", "figures.changed")).toEqual([]);
  });
});
