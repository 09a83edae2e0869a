import { describe, expect, it } from "vitest";
import {
  firstDisliked,
  runningAnswer,
  type Thread,
  unstored,
  withMessage,
  withOutgoing,
  withPage,
} from "../src/inbox/thread";
import type { Message, TranscriptPage } from "../src/wire";
import { ANA, conversation, message, note } from "./made";

function page(items: Message[], rev = items.at(-1)?.rev ?? 0): TranscriptPage {
  return { items, answer: null, conversation: conversation({ rev }), cursor: rev };
}

function read(...items: Message[]): Thread {
  return withPage(undefined, page(items));
}

const ids = (thread: Thread): string[] => thread.messages.map(({ id }) => id);

describe("a thread", () => {
  it("knows the first answer that was disliked and that nobody has looked at", () => {
    const feedback = { value: -1, reason: null } as const;
    const review = { kind: "checked", by: "Ana", at: "2026-11-21T08:00:00Z" } as const;

    const { messages } = read(
      message({ id: "liked", rev: 1, feedback: { value: 1, reason: null } }),
      message({ id: "checked", rev: 2, feedback, review }),
      message({ id: "disliked", rev: 3, feedback }),
      message({ id: "later", rev: 4, feedback }),
    );

    expect(firstDisliked(messages)).toBe("disliked");
    expect(firstDisliked(messages.slice(0, 2))).toBeNull();
  });

  it("puts a note behind the message it follows, not behind later ones", () => {
    const thread = read(
      message({ id: "first", rev: 1, seq: 1 }),
      note({ id: "note", rev: 3, after_seq: 1 }),
      message({ id: "second", rev: 2, seq: 2 }),
    );

    expect(ids(thread)).toEqual(["first", "note", "second"]);
  });

  it("shows each message once, in its latest version", () => {
    const thread = read(message({ id: "a", rev: 1, text: "old" }));

    const next = withPage(thread, page([message({ id: "a", rev: 2, seq: 1, text: "new" })]));

    expect(next.messages.map(({ text }) => text)).toEqual(["new"]);
  });

  it("does not let an old version that comes late replace a newer one", () => {
    const thread = read(message({ id: "a", rev: 5, seq: 1, text: "new" }));

    const next = withMessage(thread, message({ id: "a", rev: 1, seq: 1, text: "old" }));

    expect(next.messages[0]?.text).toBe("new");
  });

  it("is the same whether it was read at once, in pages, or twice", () => {
    const items = [1, 2, 3, 4].map((rev) => message({ id: `m${rev}`, rev }));

    const inPages = withPage(
      withPage(read(...items.slice(0, 2)), page(items.slice(2))),
      page(items.slice(1, 3)),
    );

    expect(ids(inPages)).toEqual(ids(read(...items)));
    expect(inPages.cursor).toBe(4);
  });

  it("keeps its cursor where a message came that is not the next: what lies between is still to be read", () => {
    const thread = read(message({ id: "a", rev: 1 }));

    expect(withMessage(thread, message({ id: "c", rev: 3 })).cursor).toBe(1);
    expect(withMessage(thread, message({ id: "b", rev: 2 })).cursor).toBe(2);
  });

  it("keeps the later of two readings of its conversation", () => {
    const thread = read(message({ id: "a", rev: 7 }));

    const next = withPage(thread, {
      ...page([], 3),
      conversation: conversation({ rev: 3, state: "closed" }),
    });

    expect(next.conversation.state).toBe("bot");
  });
});

describe("what was sent", () => {
  const sent = { client_id: "k1", text: "Hi", visibility: "public" as const, at: "", problem: null };
  const stored = {
    ...message({ id: "m1", rev: 1, client_id: "k1" }),
    author: { kind: "staff" as const, ...ANA },
  };

  it("gives way to the stored message of the same client_id", () => {
    expect(unstored([sent], [])).toEqual([sent]);
    expect(unstored([sent], [stored])).toEqual([]);
  });

  it("is not replaced by a visitor's message that happens to carry the same client_id", () => {
    expect(unstored([sent], [message({ id: "m1", rev: 1, client_id: "k1" })])).toEqual([sent]);
  });

  it("is one entry however often it is sent again", () => {
    const failed = withOutgoing([], { ...sent, problem: "No connection." });

    expect(withOutgoing(failed, sent)).toEqual([sent]);
  });
});

describe("the running answer", () => {
  const answer = { mid: "m2", attempt: 1, seq: 3, text: "Sure", ended: null };

  it("is shown until the stored message of its id is there", () => {
    expect(runningAnswer(answer, [])).toBe(answer);
    expect(runningAnswer(answer, [message({ id: "m2", rev: 2 })])).toBeNull();
  });

  it("vanishes when a person took over meanwhile", () => {
    expect(runningAnswer({ ...answer, ended: "withdrawn" }, [])).toBeNull();
  });
});
