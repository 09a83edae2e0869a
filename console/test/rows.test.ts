import { describe, expect, it } from "vitest";
import { neighbour, newlyWaiting, rowsOf, tabTitle, urgency, visitorName, withOpen } from "../src/inbox/rows";
import { actsFor } from "../src/inbox/actions";
import { ANA, BEN, conversation, takenBy, waiting } from "./made";

const NOW = Date.parse("2026-11-21T09:00:00Z");
const ago = (ms: number): string => new Date(NOW - ms).toISOString();

describe("the list", () => {
  it("shows who waits longest first, whatever page it came on", () => {
    const late = waiting(ago(60_000), { id: "late" });
    const early = waiting(ago(600_000), { id: "early" });

    const rows = rowsOf(
      [
        { items: [late], next: "x" },
        { items: [early], next: null },
      ],
      "waiting",
    );

    expect(rows.map(({ id }) => id)).toEqual(["early", "late"]);
  });

  it("shows a conversation once that moved between pages while they were read", () => {
    const before = conversation({ rev: 1 });
    const after = conversation({ rev: 2, state: "closed" });

    const rows = rowsOf(
      [
        { items: [after], next: "x" },
        { items: [before], next: null },
      ],
      "all",
    );

    expect(rows).toEqual([after]);
  });

  it("keeps a row for the open conversation when it has left the view", () => {
    const other = waiting(ago(0), { id: "other" });

    expect(withOpen([other], takenBy(ANA)).map(({ id }) => id)).toEqual(["c1", "other"]);
    expect(withOpen([other], undefined)).toEqual([other]);
  });

  it("shows the later of two readings of the open conversation", () => {
    const row = waiting(ago(0), { rev: 4 });

    expect(withOpen([row], takenBy(ANA, { rev: 5 }))[0]?.state).toBe("staff");
    expect(withOpen([row], conversation({ rev: 3 }))[0]?.state).toBe("waiting");
  });

  it("moves to the next row, stays at both ends and begins at the top", () => {
    expect(neighbour(["a", "b"], "a", 1)).toBe("b");
    expect(neighbour(["a", "b"], "b", 1)).toBe("b");
    expect(neighbour(["a", "b"], "a", -1)).toBe("a");
    expect(neighbour(["a", "b"], null, 1)).toBe("a");
    expect(neighbour([], null, 1)).toBeNull();
  });
});

describe("a row", () => {
  it("names a visitor who gave no name by the end of the id", () => {
    expect(
      visitorName(conversation({ visitor: { id: "01a1fcbf-0000-7000-8000-00000000b6de", name: null } })),
    ).toBe("Visitor b6de");
    expect(visitorName(conversation({ visitor: { id: "x", name: "Mia" } }))).toBe("Mia");
  });

  it("colours the wait by its length, and only while somebody waits", () => {
    expect(urgency(waiting(ago(10_000)), NOW)).toBe("fresh");
    expect(urgency(waiting(ago(60_000)), NOW)).toBe("late");
    expect(urgency(waiting(ago(300_000)), NOW)).toBe("overdue");
    expect(urgency(takenBy(ANA), NOW)).toBeNull();
  });
});

describe("who is new among the waiting", () => {
  it("is nobody at the first look, then each one once", () => {
    const [a, b] = [waiting(ago(0), { id: "a" }), waiting(ago(0), { id: "b" })];

    expect(newlyWaiting(null, [a])).toEqual([]);
    expect(newlyWaiting(new Set(["a"]), [a, b])).toEqual([b]);
    expect(newlyWaiting(new Set(["a", "b"]), [a, b])).toEqual([]);
  });

  it("is counted in the tab's title", () => {
    expect(tabTitle("Inbox", "Acme", 2)).toBe("(2) Inbox · Acme");
    expect(tabTitle("Inbox", "Acme", 0)).toBe("Inbox · Acme");
  });
});

describe("what one may do", () => {
  it("is to take over what nobody holds, to give back one's own, and nothing to a colleague's", () => {
    expect(actsFor(conversation(), ANA.id)).toEqual(["take", "close"]);
    expect(actsFor(waiting(), ANA.id)).toEqual(["take", "close"]);
    expect(actsFor(takenBy(ANA), ANA.id)).toEqual(["release", "close"]);
    expect(actsFor(takenBy(BEN), ANA.id)).toEqual([]);
    expect(actsFor(conversation({ state: "closed" }), ANA.id)).toEqual([]);
  });
});
