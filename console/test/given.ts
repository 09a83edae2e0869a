/** Answers that were given, as the server sends what became of them, with only what a test cares about. */
import type { Affected, AnswerTrace, ReviewEntry, Step, Trace, TracedPassage } from "../src/answers/wire";
import type { Message } from "../src/wire";
import { message } from "./made";

const AT = "2026-11-21T08:00:00Z";

export function answer(changed: Partial<Message> = {}): Message {
  return message({
    id: "m2",
    rev: 2,
    author: { kind: "assistant", id: null, name: "Assistant" },
    text: "Within 30 days [1].",
    ...changed,
  });
}

export function trace(changed: Partial<Trace> = {}): Trace {
  return {
    route: "model",
    attempt: 1,
    language: "en",
    query: "return an order",
    band: "answered",
    support: 0.82,
    passages: [],
    persona_version: 3,
    steps: [],
    degraded: [],
    timings: { rewritten: 120, found: 160, first_text: 900, whole: 2_400 },
    prompt_tokens: 812,
    completion_tokens: 96,
    cost: 0.0012,
    ...changed,
  };
}

export function answerTrace(changed: Partial<AnswerTrace> = {}): AnswerTrace {
  return {
    message_id: "m2",
    conversation_id: "c1",
    status: "complete",
    attempt: 1,
    model: "gpt-x",
    error_code: null,
    started_at: AT,
    first_text_at: AT,
    ended_at: AT,
    trace: trace(),
    feedback: null,
    review: null,
    reviews: [],
    ...changed,
  };
}

export function step(changed: Partial<Step> = {}): Step {
  return {
    model: "gpt-x",
    code: "ok",
    first_ms: 340,
    ms: 1_500,
    usage: { prompt_tokens: 812, completion_tokens: 96 },
    estimated: false,
    cost: 0.0012,
    kind: "",
    ...changed,
  };
}

export function tracedPassage(changed: Partial<TracedPassage> = {}): TracedPassage {
  return {
    n: 1,
    passage_id: "p1",
    document_id: "d1",
    version: 2,
    title: "Returns",
    heading: "Deadlines",
    page: 3,
    score: 0.98,
    lexical: 1.3,
    vector: 0.64,
    cited: true,
    ...changed,
  };
}

export function reviewEntry(changed: Partial<ReviewEntry> = {}): ReviewEntry {
  return {
    kind: "corrected",
    by: "Ben",
    at: AT,
    original_text: "Within 30 days [1].",
    text: "Within 14 days [1].",
    ...changed,
  };
}

export function affected(changed: Partial<Affected> = {}): Affected {
  return {
    message_id: "m20",
    conversation_id: "c20",
    visitor: { id: "v-0020", name: null },
    asked: "How long may I return it?",
    created_at: AT,
    told: false,
    ...changed,
  };
}

/** Behind /answers: what there is of each answer; the messages themselves are the server's. */
export class Given {
  trace: AnswerTrace | null = null;
  affected: Affected[] = [];
  pageSize = 50;
  /** Bodies of what was sent, the latest last. */
  sent: unknown[] = [];
  #originals = new Map<string, string>();

  /** The message after a verdict, and its own words again after none. */
  reviewed(before: Message, verdict: { kind: "checked" | "corrected"; text?: string } | null): Message {
    const original = this.#originals.get(before.id) ?? before.text;
    this.#originals.set(before.id, original);
    return {
      ...before,
      text: verdict?.text ?? original,
      review: verdict && { kind: verdict.kind, by: "Ana", at: AT },
    };
  }

  page(after: string | null): { items: Affected[]; next: string | null } {
    const from = after === null ? 0 : this.affected.findIndex((each) => each.message_id === after) + 1;
    const items = this.affected.slice(from, from + this.pageSize);
    const more = from + this.pageSize < this.affected.length;
    return { items, next: more ? (items.at(-1)?.message_id ?? null) : null };
  }

  /** Once in each conversation, as the real one. */
  tell({ message_ids }: { message_ids: string[] }): { sent: number; skipped: number } {
    const named = this.affected.filter((each) => message_ids.includes(each.message_id));
    const conversations = new Set(named.filter(({ told }) => !told).map((each) => each.conversation_id));
    this.affected = this.affected.map((each) =>
      conversations.has(each.conversation_id) ? { ...each, told: true } : each,
    );
    return { sent: conversations.size, skipped: message_ids.length - conversations.size };
  }
}
