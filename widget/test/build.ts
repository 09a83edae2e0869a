import type { Message, Site, Transcript, VisitorConversation } from "../src/wire";

export const site: Site = {
  name: "Aurora Library",
  greeting: "Hello!",
  starters: ["When are you open?"],
  theme: { accent: null, side: "end" },
  availability: { staff_online: true },
};

export function conversation(more: Partial<VisitorConversation> = {}): VisitorConversation {
  return {
    id: "c1",
    state: "bot",
    handoff: null,
    created_at: "2026-01-01T10:00:00Z",
    last_message_at: null,
    rev: 0,
    ...more,
  };
}

export function message(seq: number, more: Partial<Message> = {}): Message {
  return {
    id: `m${seq}`,
    conversation_id: "c1",
    seq,
    after_seq: null,
    rev: seq,
    client_id: null,
    author: { kind: "visitor", id: null, name: "" },
    text: `text ${seq}`,
    visibility: "public",
    created_at: "2026-01-01T10:00:00Z",
    version: 1,
    status: "complete",
    sources: [],
    confidence: null,
    page_url: null,
    feedback: null,
    review: null,
    suggestions: [],
    corrects: null,
    ...more,
  };
}

export function transcript(items: Message[], more: Partial<Transcript> = {}): Transcript {
  const cursor = items.reduce((highest, { rev }) => Math.max(highest, rev), 0);
  return { items, answer: null, state: "bot", handoff: null, cursor, ...more };
}

export const by = {
  assistant: { kind: "assistant", id: null, name: "Assistant" },
  staff: { kind: "staff", id: "s1", name: "Ana" },
  system: { kind: "system", id: null, name: "" },
} as const satisfies Record<string, Message["author"]>;
