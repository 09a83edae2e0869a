/** Things as the server sends them, with only what a test cares about spelled out. */
import type { Conversation, Message, Signal } from "../src/wire";

export const ANA = { id: "staff-ana", name: "Ana" };
export const BEN = { id: "staff-ben", name: "Ben" };

const AT = "2026-11-21T08:00:00Z";

export function message(changed: Partial<Message> & { id: string; rev: number }): Message {
  return {
    conversation_id: "c1",
    seq: changed.rev,
    after_seq: null,
    client_id: null,
    author: { kind: "visitor", id: "v-0001", name: "" },
    text: changed.id,
    visibility: "public",
    created_at: AT,
    version: 1,
    status: "complete",
    sources: [],
    confidence: null,
    page_url: null,
    feedback: null,
    review: null,
    suggestions: [],
    corrects: null,
    ...changed,
  };
}

export function note(changed: Partial<Message> & { id: string; rev: number; after_seq: number }): Message {
  return message({ seq: null, visibility: "internal", author: { kind: "staff", ...ANA }, ...changed });
}

export function conversation(changed: Partial<Conversation> = {}): Conversation {
  return {
    id: "c1",
    kind: "website",
    site: { id: "s1", name: "Acme" },
    visitor: { id: "v-0001", name: null },
    state: "bot",
    handoff: null,
    last_message: { text: "Hello", author_kind: "visitor", created_at: AT },
    created_at: AT,
    updated_at: AT,
    rev: 1,
    episode: 1,
    earlier_summary: null,
    ...changed,
  };
}

export function waiting(requested_at = AT, changed: Partial<Conversation> = {}): Conversation {
  const handoff = { id: "h1", reason: null, requested_at, taken_at: null, taken_by: null };
  return conversation({ state: "waiting", handoff, ...changed });
}

export function takenBy(
  who: { id: string; name: string },
  changed: Partial<Conversation> = {},
): Conversation {
  const handoff = { id: "h1", reason: null, requested_at: AT, taken_at: AT, taken_by: who };
  return conversation({ state: "staff", handoff, ...changed });
}

let signals = 0;

export function signal(topic: string, event: string, changed: Partial<Signal> = {}): Signal {
  signals += 1;
  return {
    id: `signal-${signals}`,
    topic,
    event,
    ids: {},
    at: AT,
    epoch: "e",
    cur: `${signals}`,
    ...changed,
  };
}
