// @vitest-environment node
import { describe, expect, test } from "vitest";
import { type Chat, type ChatEvent, fresh, isThinking, reduce, unread } from "../src/app/state";
import type { AnswerFrame, Message, Transcript } from "../src/wire";
import { by, conversation, message, site, transcript } from "./build";

const after = (...events: ChatEvent[]): Chat => events.reduce(reduce, fresh);
const session: ChatEvent = { type: "session", visitor_id: "v1", site };
const enter: ChatEvent = { type: "conversation", conversation: conversation() };
const read = (of: Transcript, live: string | null = null): ChatEvent => ({
  type: "transcript",
  conversation_id: "c1",
  transcript: of,
  live,
});
const queued = (client_id: string, text = "hi"): ChatEvent => ({
  type: "queued",
  client_id,
  text,
});
const start: ChatEvent = frame("answer.start", { conversation_id: "c1", mid: "m2", attempt: 1 });
const delta = (seq: number, text: string): ChatEvent =>
  frame("answer.delta", { mid: "m2", attempt: 1, seq, text });
const end: ChatEvent = frame("answer.end", {
  mid: "m2",
  attempt: 1,
  seq: 9,
  status: "complete",
  version: 1,
});

function frame(event: AnswerFrame["event"], body: object): ChatEvent {
  return { type: "frame", frame: { event, frame: body } as AnswerFrame };
}

describe("old state and events give the fresh state", () => {
  const question = message(1, { client_id: "k1", text: "hi" });
  const answer = message(2, { author: by.assistant, text: "Hello there", confidence: "answered" });
  const joined = message(3, { author: by.system, text: "Ana joined the conversation." });
  const reply = message(4, { author: by.staff, text: "Hi, Ana here" });
  const handoff = { requested_at: "2026-01-01T10:01:00Z", taken_by: { name: "Ana" } };
  const all = transcript([question, answer, joined, reply], { state: "staff", handoff });
  const booted = after(session, enter, read(all));

  const histories: Record<string, ChatEvent[]> = {
    "sent, streamed, taken over": [
      session,
      queued("k1"),
      { type: "stored", message: question },
      start,
      delta(1, "Hello "),
      delta(2, "there"),
      end,
      read(transcript([answer])),
      read(transcript([joined, reply], { state: "staff", handoff })),
    ],
    "signals late and twice, transcripts overlapping": [
      session,
      enter,
      read(transcript([question], { answer: { mid: "m2", attempt: 1, seq: 1, text: "Hello " } })),
      delta(1, "Hello "),
      read(transcript([question, answer])),
      delta(2, "there"),
      end,
      read(all),
      read(transcript([reply], { state: "staff", handoff })),
    ],
    "frames lost altogether": [
      session,
      enter,
      read(transcript([question])),
      start,
      delta(5, "?"),
      read(all, "m2"),
    ],
    "sent while another conversation was open": [
      session,
      { type: "conversation", conversation: conversation({ id: "c0", state: "closed" }) },
      queued("k1"),
      { type: "stored", message: question },
      read(all),
    ],
  };

  test.each(Object.entries(histories))("%s", (_, history) => {
    const { conversation: here, ...rest } = after(...history);
    const { conversation: there, ...expected } = booted;

    expect(rest).toEqual(expected);
    expect({ ...here, created_at: "", last_message_at: "" }).toEqual({
      ...there,
      created_at: "",
      last_message_at: "",
    });
  });

  test("any split of the transcript, in any overlap", () => {
    for (let cut = 0; cut <= 4; cut++) {
      for (let overlap = 0; overlap <= cut; overlap++) {
        const first = transcript(all.items.slice(0, cut), { state: "staff", handoff });
        const second = { ...all, items: all.items.slice(cut - overlap) };

        expect(after(session, enter, read(first), read(second))).toEqual(booted);
      }
    }
  });
});

describe("a message on its way", () => {
  test("is one with the stored message", () => {
    const sent = after(session, enter, queued("k1"));
    expect(sent.outbox).toMatchObject([{ client_id: "k1", status: "sending" }]);

    const stored = reduce(sent, { type: "stored", message: message(1, { client_id: "k1" }) });

    expect(stored.outbox).toEqual([]);
    expect(stored.messages).toHaveLength(1);
  });

  test("may be learnt of from the transcript before its own acknowledgement", () => {
    const own = message(1, { client_id: "k1" });

    const both = after(session, enter, queued("k1"), read(transcript([own])), {
      type: "stored",
      message: own,
    });

    expect(both.outbox).toEqual([]);
    expect(both.messages).toEqual([own]);
  });

  test("keeps its place in the outbox when it failed, and says why", () => {
    const failed = after(session, enter, queued("k1"), {
      type: "refused",
      client_id: "k1",
      problem: "Too fast.",
    });

    expect(failed.outbox).toMatchObject([
      { client_id: "k1", status: "failed", problem: "Too fast." },
    ]);
    expect(isThinking(failed)).toBe(false);
  });

  test("its revision moves the cursor only when nothing lies between", () => {
    const next = after(session, enter, read(transcript([message(1)])), {
      type: "stored",
      message: message(2),
    });
    const later = after(session, enter, read(transcript([message(1)])), {
      type: "stored",
      message: message(3),
    });

    expect(next.cursor).toBe(2);
    expect(later.cursor).toBe(1);
  });
});

describe("a running answer", () => {
  const asked = [
    session,
    enter,
    queued("k1"),
    { type: "stored", message: message(1, { client_id: "k1" }) },
  ] as const;

  test("dots from the arrival of the question until the first word", () => {
    expect(isThinking(after(session, enter, queued("k1")))).toBe(false);
    expect(isThinking(after(...asked))).toBe(true);
    expect(isThinking(after(...asked, start))).toBe(true);
    expect(isThinking(after(...asked, start, delta(1, "H")))).toBe(false);
  });

  test("the dots have an end", () => {
    expect(isThinking(after(...asked, { type: "patience", client_id: "k1" }))).toBe(false);
  });

  test("that was withdrawn leaves nothing", () => {
    const taken = transcript([message(2, { author: by.system })], { state: "staff" });

    const chat = after(...asked, start, delta(1, "I thi"), end, read(taken));

    expect(chat.answer).toBeNull();
  });

  test("that began after the transcript was asked for stays", () => {
    const chat = after(...asked, start, delta(1, "Hel"), read(transcript([]), null));

    expect(chat.answer?.text).toBe("Hel");
  });

  test("that the server no longer runs goes", () => {
    const chat = after(...asked, start, delta(1, "Hel"), read(transcript([]), "m2"));

    expect(chat.answer).toBeNull();
  });

  test("of another conversation is not ours", () => {
    const chat = after(
      session,
      enter,
      frame("answer.start", { conversation_id: "c9", mid: "m9", attempt: 1 }),
    );

    expect(chat.answer).toBeNull();
  });

  test("frames that come after its stored message change nothing", () => {
    const stored = after(...asked, read(transcript([message(2, { author: by.assistant })])));

    expect(reduce(stored, delta(3, "late"))).toBe(stored);
  });
});

describe("another attempt at an answer that broke off", () => {
  const question = message(1);
  const broken = message(2, { author: by.assistant, text: "Hel", status: "interrupted" });
  const whole = { ...broken, text: "Hello there", status: "complete" as const, rev: 3 };
  const stored = after(session, enter, read(transcript([question, broken])));
  const begun = (attempt: number): ChatEvent =>
    frame("answer.start", { conversation_id: "c1", mid: "m2", attempt });
  const word = (attempt: number, seq: number, text: string): ChatEvent =>
    frame("answer.delta", { mid: "m2", attempt, seq, text });
  const then = (...events: ChatEvent[]): Chat => events.reduce(reduce, stored);

  test("runs beside the stored text until its own is stored", () => {
    const running = then({ type: "again", mid: "m2" }, begun(2), word(2, 1, "Hello"));
    expect(running.answer).toMatchObject({ mid: "m2", attempt: 2, text: "Hello" });
    expect(running.messages).toEqual([question, broken]);

    const ended = reduce(running, read(transcript([whole]), "m2"));
    expect(ended.answer).toBeNull();
    expect(ended.messages).toEqual([question, whole]);
  });

  test("shows dots from the press to the first word", () => {
    const asked = then({ type: "again", mid: "m2" });
    expect(isThinking(asked)).toBe(true);
    expect(isThinking(reduce(asked, begun(2)))).toBe(true);
    expect(isThinking([begun(2), word(2, 1, "H")].reduce(reduce, asked))).toBe(false);
    expect(isThinking(reduce(asked, { type: "patience", client_id: "m2" }))).toBe(false);
    expect(isThinking(reduce(asked, read(transcript([whole]))))).toBe(false);
  });

  test("is not mistaken for what is left of an earlier one", () => {
    expect(then(begun(1), word(1, 1, "Hel")).answer).toBeNull();

    const again = then(
      begun(2),
      word(2, 1, "Hel"),
      read(transcript([{ ...broken, rev: 3 }]), "m2"),
    );
    expect([word(2, 2, "lo")].reduce(reduce, again).answer).toBeNull();
    expect([begun(3), word(3, 1, "Hi")].reduce(reduce, again).answer).toMatchObject({
      attempt: 3,
      text: "Hi",
    });
  });

  test("never replaces an answer that is whole", () => {
    const over = then(read(transcript([whole])));

    expect([begun(2), word(2, 1, "Hi")].reduce(reduce, over).answer).toBeNull();
    const late = transcript([], { answer: { mid: "m2", attempt: 2, seq: 1, text: "Hi" } });
    expect(reduce(over, read(late)).answer).toBeNull();
  });

  test("is found running by who opens the chat meanwhile", () => {
    const answer = { mid: "m2", attempt: 2, seq: 3, text: "Hello" };
    const opened = after(session, enter, read(transcript([question, broken], { answer })));
    expect(opened.answer).toMatchObject(answer);

    expect(reduce(opened, word(2, 4, " there")).answer?.text).toBe("Hello there");
  });

  test("that was withdrawn leaves what broke off", () => {
    const gone = then(begun(2), word(2, 1, "He"), read(transcript([], { state: "staff" }), "m2"));

    expect(gone.answer).toBeNull();
    expect(gone.messages).toEqual([question, broken]);
  });
});

describe("messages", () => {
  test("stand in the order of the conversation, not of their coming", () => {
    const chat = after(
      session,
      enter,
      read(transcript([message(3), message(1)])),
      read(transcript([message(2)])),
    );

    expect(chat.messages.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  test("a newer revision wins, an older one does not", () => {
    const corrected = message(1, { rev: 7, text: "corrected" });

    const chat = after(
      session,
      enter,
      read(transcript([corrected])),
      read(transcript([message(1)])),
    );

    expect(chat.messages).toEqual([corrected]);
    expect(chat.cursor).toBe(7);
  });

  test("from the other side are unread until they were on screen", () => {
    const items: Message[] = [
      message(1),
      message(2, { author: by.assistant }),
      message(3, { author: by.system }),
      message(4, { author: by.staff }),
    ];
    const chat = after(session, enter, read(transcript(items)));

    expect(unread(chat)).toBe(2);
    expect(unread(reduce(chat, { type: "read", seq: 2 }))).toBe(1);
    expect(unread(reduce(chat, { type: "read", seq: 4 }))).toBe(0);
  });
});

describe("who it is", () => {
  test("another visitor starts empty", () => {
    const chat = after(session, enter, read(transcript([message(1)])), {
      type: "session",
      visitor_id: "v2",
      site,
    });

    expect(chat).toEqual({ ...fresh, reachable: true, visitor_id: "v2", site });
  });

  test("the same visitor with a new session keeps everything", () => {
    const chat = after(session, enter, read(transcript([message(1)])), session);

    expect(chat.messages).toHaveLength(1);
  });

  test("what was there before is no news, even when it takes several pages", () => {
    const page = Array.from({ length: 200 }, (_, n) => message(n + 1));
    const first = after(session, enter, read(transcript(page)));
    expect(first.caught_up).toBe(false);

    expect(reduce(first, read(transcript([message(201)]))).caught_up).toBe(true);
  });

  test("a transcript of a conversation that was left is dropped", () => {
    const chat = after(session, enter, {
      type: "conversation",
      conversation: conversation({ id: "c2" }),
    });

    expect(reduce(chat, read(transcript([message(1)])))).toBe(chat);
  });

  test("an older reading of the conversation does not undo a newer one", () => {
    const chat = after(session, enter, read(transcript([message(5)], { state: "staff" })));

    const late = reduce(chat, {
      type: "conversation",
      conversation: conversation({ rev: 3, state: "waiting" }),
    });

    expect(late.conversation?.state).toBe("staff");
  });
});

describe("staff who type", () => {
  const typing: ChatEvent = { type: "typing", name: "Ana" };

  test("are shown until their message comes", () => {
    const chat = after(session, enter, read(transcript([], { state: "staff" })), typing);
    expect(chat.typing).toBe("Ana");

    const said = reduce(
      chat,
      read(transcript([message(1, { author: by.staff })], { state: "staff" })),
    );
    expect(said.typing).toBeNull();
  });
});
