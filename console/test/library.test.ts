import { describe, expect, it } from "vitest";
import { crawlDraft, crawlInput, crawlProblems, crawlProgress } from "../src/knowledge/crawl-draft";
import { diff } from "../src/knowledge/diff";
import { faqDraft, faqProblems, inputOf } from "../src/knowledge/faq-draft";
import { BEGIN, imported, type Importing } from "../src/knowledge/importing";
import {
  added,
  answeredFrom,
  audience,
  draftOf,
  settled,
  suggestions,
  without,
} from "../src/knowledge/labels";
import { scalesOf, share, trialOf, trialSearch } from "../src/knowledge/trying";
import { behind, factsOf, titleOf } from "../src/knowledge/words";
import { crawl, document, faq, hit } from "./known";

describe("labels", () => {
  it("are lower case, once each and sorted, however they are typed", () => {
    const draft = settled({ ...draftOf(["trade"]), typed: " Staff,  trade ,NORTH  sea" });

    expect(draft).toEqual(draftOf(["north sea", "staff", "trade"]));
  });

  it("that are none stay as they were typed, with the reason", () => {
    for (const typed of ["in/out", "-", "x".repeat(41)]) {
      const draft = settled({ ...draftOf(["trade"]), typed });
      expect(draft.problem).not.toBeNull();
      expect(draft.typed).toBe(typed);
      expect(draft.labels).toEqual(["trade"]);
    }
  });

  it("are letters of any script", () => {
    expect(settled({ ...draftOf([]), typed: "Händler, 社内, v1.2" }).labels).toEqual([
      "händler",
      "v1.2",
      "社内",
    ]);
  });

  it("are twenty at most", () => {
    const many = draftOf(Array.from({ length: 20 }, (_, n) => `label ${n}`));

    expect(added(many, ["one more"]).problem).toBe("At most 20 labels can be given.");
    expect(added(many, ["label 3"]).problem).toBeNull();
  });

  it("are taken away, and offered again", () => {
    expect(without(draftOf(["a", "b"]), "a").labels).toEqual(["b"]);
    expect(suggestions(["alpha", "beta", "gamma"], ["beta"], "A")).toEqual(["alpha", "gamma"]);
  });

  it("say whom they concern", () => {
    expect(audience([])).toBe("Visitors of every site are answered from it.");
    expect(audience(["a", "b", "c"])).toContain("the label “a”, “b” or “c”");
    expect(answeredFrom([])).toContain("without labels only");
  });
});

describe("the difference of two texts", () => {
  const shown = (before: string, after: string): string =>
    diff(before, after)
      .map(({ kind, text }) => (kind === "same" ? text : kind === "gone" ? `[-${text}]` : `[+${text}]`))
      .join("");

  it("is told by words, and gives back both texts whole", () => {
    expect(shown("within 30 days of buying", "within 60 days of buying")).toBe(
      "within [-30][+60] days of buying",
    );
    expect(shown("At Alder Street.", "At Alder Street. Ask us.")).toBe("At Alder Street.[+ Ask us.]");
    expect(shown("we pay the postage", "you pay for postage")).toBe("[-we][+you] pay [-the][+for] postage");
    expect(shown("one two three", "four five six")).toBe("[-one two three][+four five six]");
    expect(shown("", "new")).toBe("[+new]");
    expect(shown("old", "")).toBe("[-old]");
    expect(shown("same", "same")).toBe("same");

    const [before, after] = ["a b c a b c d\n e", "b c x a c d e f"];
    const sides = diff(before, after);
    expect(
      sides
        .filter(({ kind }) => kind !== "new")
        .map(({ text }) => text)
        .join(""),
    ).toBe(before);
    expect(
      sides
        .filter(({ kind }) => kind !== "gone")
        .map(({ text }) => text)
        .join(""),
    ).toBe(after);
  });

  it("is told by characters where words are not parted", () => {
    expect(shown("三十日以内", "六十日以内")).toBe("[-三][+六]十日以内");
  });

  it("ends soon for long texts that share nothing", () => {
    const text = (word: string): string => `${word} `.repeat(4_000);

    const begun = performance.now();
    expect(diff(text("a"), text("b")).map(({ kind }) => kind)).toEqual(["gone", "new", "same"]);
    expect(performance.now() - begun).toBeLessThan(500);
  });
});

describe("an import", () => {
  const table = new File(["question,answer"], "faqs.csv");
  const counts = { changed: 0, unchanged: 0, failed: 0, rows: [] };
  const tried = { ...counts, added: 2, dry_run: true };
  const written = { ...tried, dry_run: false };
  const after = (...events: Parameters<typeof imported>[1][]): Importing => events.reduce(imported, BEGIN);

  it("is tried, confirmed, written", () => {
    const checked = after({ type: "chosen", file: table }, { type: "reported", report: tried });
    expect(checked).toEqual({ step: "checked", file: table, report: tried, problem: null });

    const writing = imported(checked, { type: "confirmed" });
    expect(writing.step).toBe("writing");
    expect(imported(writing, { type: "reported", report: written })).toEqual({
      step: "done",
      report: written,
    });
  });

  it("is confirmed once: a second press changes nothing", () => {
    const writing = after(
      { type: "chosen", file: table },
      { type: "reported", report: tried },
      { type: "confirmed" },
    );

    expect(imported(writing, { type: "confirmed" })).toBe(writing);
    expect(imported(writing, { type: "again" })).toBe(writing);
  });

  it("cannot be confirmed when nothing would change", () => {
    const checked = after(
      { type: "chosen", file: table },
      { type: "reported", report: { ...tried, added: 0 } },
    );

    expect(imported(checked, { type: "confirmed" })).toBe(checked);
  });

  it("goes back to the report when writing was refused, and to the choice when trying was", () => {
    const checking = after({ type: "chosen", file: table });
    expect(imported(checking, { type: "refused", message: "No." })).toEqual({
      step: "choosing",
      problem: "No.",
    });

    const writing = [{ type: "reported" as const, report: tried }, { type: "confirmed" as const }].reduce(
      imported,
      checking,
    );
    expect(imported(writing, { type: "refused", message: "No." })).toMatchObject({
      step: "checked",
      problem: "No.",
    });
  });

  it("is refused before it travels when it is empty", () => {
    expect(after({ type: "chosen", file: new File([], "x.csv") })).toMatchObject({ step: "choosing" });
  });
});

describe("a question with its answer", () => {
  it("is sent as it came when nothing was changed", () => {
    const { id: _id, updated_at: _at, ...sent } = faq({ url: "https://a.example", labels: ["trade"] });

    expect(inputOf(faqDraft(sent))).toEqual(sent);
    expect(faqProblems(faqDraft(sent))).toEqual({});
  });

  it("names everything that the server would refuse", () => {
    const draft = { ...faqDraft(null), question: "??", variants: "!", answer: " ", url: "ftp://x" };

    expect(Object.keys(faqProblems(draft))).toEqual(["question", "variants", "answer", "url"]);
  });
});

describe("a website to read", () => {
  it("has no depth and one page where it is one page", () => {
    const draft = { ...crawlDraft(null), url: " a.example/b ", kind: "page" as const, depth: "x" };

    expect(crawlProblems(draft)).toEqual({});
    expect(crawlInput(draft)).toMatchObject({ url: "https://a.example/b", depth: 0, pages_max: 1 });
  });

  it("is refused when it is no public address, or its figures are out of bounds", () => {
    const of = (changed: object) =>
      Object.keys(crawlProblems({ ...crawlDraft(null), url: "https://a.example", ...changed }));

    expect(of({})).toEqual([]);
    expect(of({ url: "ftp://a.example" })).toEqual(["url"]);
    expect(of({ url: "localhost" })).toEqual(["url"]);
    expect(of({ depth: "6" })).toEqual(["depth"]);
    expect(of({ pages_max: "0" })).toEqual(["pages_max"]);
    expect(of({ pages_max: "1.5" })).toEqual(["pages_max"]);
  });

  it("is as far as its pages are", () => {
    const counts = { waiting: 6, fetched: 1, unchanged: 1, skipped: 0, failed: 0, gone: 9 };

    expect(crawlProgress(crawl({ status: "running", counts }))).toBe(0.25);
    expect(crawlProgress(crawl({ status: "done", counts }))).toBeNull();
  });
});

describe("a question to try", () => {
  it("is read from the address, whatever stands there", () => {
    expect(trialSearch({ q: 7, before: "", site: "s1", x: 1 })).toEqual({ site: "s1" });
    expect(trialOf(trialSearch({ q: "  and then? ", before: "a\n\n b " }))).toEqual({
      query: "and then?",
      limit: 10,
      history: ["a", "b"],
    });
  });

  it("has bars as long as the best of the list", () => {
    const scales = scalesOf([hit({ lexical: 4, score: 0.5 }), hit({ lexical: 2, score: 0.9 })]);

    expect(scales).toEqual({ lexical: 4, vector: 1, score: 0.9 });
    expect([share(2, 4), share(-1, 4), share(9, 4), share(1, 0)]).toEqual([0.5, 0, 1, 0]);
  });
});

describe("a document in words", () => {
  it("is called by its title where it is a page, by its name where it is a file", () => {
    expect(titleOf(document())).toBe("returns.md");
    expect(titleOf(document({ kind: "page", name: "https://a.example", title: "Returns" }))).toBe("Returns");
  });

  it("says which version answers", () => {
    expect(behind(document({ version: 2, live_version: 2 }))).toBeNull();
    expect(behind(document({ status: "queued", version: 1, live_version: null }))).toBeNull();
    expect(behind(document({ status: "indexing", version: 2, live_version: 1 }))).toContain("is being read");
    expect(factsOf(document({ version: 3, live_version: 2, pages: 1 }))).toEqual([
      "580 B",
      "1 page",
      "2 passages",
      "version 2",
    ]);
  });
});
