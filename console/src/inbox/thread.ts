/** One conversation as read so far, and what is still on its way. Pure. */
import type { Conversation, LiveAnswer, Message, TranscriptPage } from "../wire";

/** Everything up to revision `cursor`, in the order in which it is read. */
export type Thread = { conversation: Conversation; messages: Message[]; cursor: number };

/** A message we have sent and not yet seen stored; the stored one has the same `client_id`. */
export type Outgoing = {
  client_id: string;
  text: string;
  visibility: Message["visibility"];
  at: string;
  problem: string | null;
};

/** The thread after one page of changes; an older reading of the conversation changes nothing. */
export function withPage(thread: Thread | undefined, page: TranscriptPage): Thread {
  if (!thread) {
    return { conversation: page.conversation, messages: merged([], page.items), cursor: page.cursor };
  }
  return {
    conversation: newer(thread.conversation, page.conversation),
    messages: merged(thread.messages, page.items),
    cursor: Math.max(thread.cursor, page.cursor),
  };
}

/** The thread after one message; the cursor moves only when nothing can lie between. */
export function withMessage(thread: Thread, message: Message): Thread {
  const next = message.rev === thread.cursor + 1;
  return {
    ...thread,
    messages: merged(thread.messages, [message]),
    cursor: next ? message.rev : thread.cursor,
  };
}

export function withConversation(thread: Thread, conversation: Conversation): Thread {
  return { ...thread, conversation: newer(thread.conversation, conversation) };
}

/** The first answer that its visitor disliked and no colleague has looked at. */
export function firstDisliked(messages: Message[]): string | null {
  return messages.find(({ feedback, review }) => feedback?.value === -1 && review === null)?.id ?? null;
}

/** What was sent and is not among the stored messages yet. */
export function unstored(outgoing: Outgoing[], messages: Message[]): Outgoing[] {
  const ours = messages.filter((message) => message.author.kind === "staff");
  const stored = new Set(ours.map((message) => message.client_id));
  return outgoing.filter((each) => !stored.has(each.client_id));
}

export function withOutgoing(outgoing: Outgoing[], sent: Outgoing): Outgoing[] {
  const others = outgoing.filter((each) => each.client_id !== sent.client_id);
  return [...others, sent];
}

export function withoutOutgoing(outgoing: Outgoing[], client_id: string): Outgoing[] {
  return outgoing.filter((each) => each.client_id !== client_id);
}

/** The running answer, unless it is stored already, was withdrawn or is still empty. */
export function runningAnswer<Answer extends LiveAnswer & { ended: string | null }>(
  answer: Answer | null,
  messages: Message[],
): Answer | null {
  if (!answer || answer.ended === "withdrawn") return null;
  return messages.some((message) => message.id === answer.mid) ? null : answer;
}

/** Each id once, the highest `rev` of it; public messages by `seq`, a note behind the message it follows. */
function merged(known: Message[], changed: Message[]): Message[] {
  if (changed.length === 0) return known;
  const byId = new Map(known.map((message) => [message.id, message]));
  for (const message of changed) {
    const before = byId.get(message.id);
    if (!before || before.rev <= message.rev) byId.set(message.id, message);
  }
  return [...byId.values()].sort(inReadingOrder);
}

function inReadingOrder(a: Message, b: Message): number {
  return place(a) - place(b) || Number(a.seq === null) - Number(b.seq === null) || a.rev - b.rev;
}

function place(message: Message): number {
  return message.seq ?? message.after_seq ?? 0;
}

function newer(known: Conversation, read: Conversation): Conversation {
  return read.rev >= known.rev ? read : known;
}
