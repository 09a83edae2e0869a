/** What the widget knows, and how each event changes it. Pure: the same events give the same state. */
import { type Answer, withFrame, withSnapshot } from "../realtime/answers";
import type { Status } from "../realtime/stats";
import type {
  AnswerFrame,
  ApiError,
  Availability,
  ConversationState,
  Feedback,
  Message,
  Site,
  Transcript,
  VisitorConversation,
} from "../wire";

/** A message on its way; it and the stored message are one, told by `client_id`. */
export type Outgoing = {
  client_id: string;
  text: string;
  status: "sending" | "failed";
  problem: string | null;
  /** The server is busy: in so many seconds it is sent again; else 0. */
  wait_s: number;
};

export type Chat = {
  visitor_id: string | null;
  site: Site | null;
  /** `idle`: nothing to follow yet. */
  connection: Status | "idle";
  /** Whether the server answered last, by whatever way. */
  reachable: boolean;
  /** Whether there has been no connection for longer than a moment. */
  away: boolean;
  /** Why the chat could not be started. */
  problem: ApiError | null;
  conversation: VisitorConversation | null;
  /** Stored messages in the order of the conversation. */
  messages: Message[];
  outbox: Outgoing[];
  answer: Answer | null;
  /** The last answer that took more than one attempt: late frames of it are of no use. */
  past: Answer | null;
  /** The `client_id` of the question, or the id of the broken answer, whose answer has not begun. */
  expecting: string | null;
  typing: string | null;
  /** The highest `rev` read. */
  cursor: number;
  /** Whether the conversation was read to its end once: what comes later is news. */
  caught_up: boolean;
  /** The highest `seq` that was on screen. */
  read_seq: number;
  /** The answer whose rating could not be stored. */
  unrated: string | null;
};

export type ChatEvent =
  | { type: "session"; visitor_id: string; site: Site }
  | { type: "availability"; availability: Availability }
  | { type: "problem"; problem: ApiError | null }
  | { type: "connection"; status: Status }
  | { type: "away" }
  /** Reading failed. */
  | { type: "unreachable" }
  | { type: "conversation"; conversation: VisitorConversation | null; read_seq?: number }
  /** `live`: the answer that was running when the transcript was asked for. */
  | { type: "transcript"; conversation_id: string; transcript: Transcript; live: string | null }
  | { type: "frame"; frame: AnswerFrame }
  /** The colleague who types here, or null. */
  | { type: "typing"; name: string | null }
  | { type: "queued"; client_id: string; text: string }
  | { type: "waiting"; client_id: string; seconds: number }
  | { type: "stored"; message: Message }
  | { type: "changed"; message: Message }
  | { type: "rated"; mid: string; feedback: Feedback | null; failed: boolean }
  | { type: "again"; mid: string }
  | { type: "refused"; client_id: string; problem: string | null }
  | { type: "patience"; client_id: string }
  | { type: "read"; seq: number };

/** A transcript with fewer items is the last page. */
export const PAGE_ITEMS = 200;

/** Of a conversation of which nothing is known yet. */
const blank = {
  messages: [],
  answer: null,
  past: null,
  expecting: null,
  typing: null,
  cursor: 0,
  caught_up: false,
  unrated: null,
};

export const fresh: Chat = {
  visitor_id: null,
  site: null,
  connection: "idle",
  reachable: false,
  away: false,
  problem: null,
  conversation: null,
  outbox: [],
  read_seq: 0,
  ...blank,
};

export function reduce(chat: Chat, event: ChatEvent): Chat {
  const next = after(chat, event);
  const { answer } = chat;
  return answer && answer.attempt > 1 && !next.answer ? { ...next, past: answer } : next;
}

function after(chat: Chat, event: ChatEvent): Chat {
  switch (event.type) {
    case "session":
      return withSession(chat, event);
    case "availability":
      return chat.site
        ? { ...chat, site: { ...chat.site, availability: event.availability } }
        : chat;
    case "problem":
      return { ...chat, problem: event.problem };
    case "connection":
      return withConnection(chat, event.status);
    case "away":
      return isConnected(chat) ? chat : { ...chat, away: true };
    case "unreachable":
      return isConnected(chat) ? chat : { ...chat, reachable: false };
    case "conversation":
      return withConversation(chat, event.conversation, event.read_seq);
    case "transcript":
      return withTranscript(chat, event);
    case "frame":
      return withAnswer(chat, event.frame);
    case "typing":
      return { ...chat, typing: event.name };
    case "queued":
      return withQueued(chat, event);
    case "waiting":
      return withOutgoing(chat, event.client_id, { wait_s: event.seconds });
    case "stored":
      return withStored(chat, event.message);
    case "changed":
      return isHere(chat, event.message) ? withStored(chat, event.message) : chat;
    case "rated":
      return withRating(chat, event);
    case "again":
      return { ...chat, expecting: event.mid };
    case "refused":
      return withRefused(chat, event);
    case "patience":
      return chat.expecting === event.client_id ? { ...chat, expecting: null } : chat;
    case "read":
      return event.seq > chat.read_seq ? { ...chat, read_seq: event.seq } : chat;
    default:
      return assertNever(event);
  }
}

/** Whether dots stand in for an answer that is on its way: the question has arrived, no word is here yet. */
export function isThinking({ answer, expecting, outbox, conversation }: Chat): boolean {
  if (conversation?.state === "staff") return false;
  if (answer) return answer.text === "" && !answer.ended;
  return expecting !== null && !outbox.some(({ client_id }) => client_id === expecting);
}

/** How many messages from the other side nobody has seen. */
export function unread({ messages, read_seq }: Chat): number {
  return messages.filter(({ author, seq }) => isTheirs(author.kind) && (seq ?? 0) > read_seq)
    .length;
}

export function lastSeq({ messages }: Chat): number {
  return messages.at(-1)?.seq ?? 0;
}

function isTheirs(kind: Message["author"]["kind"]): boolean {
  return kind === "assistant" || kind === "staff";
}

/** Nothing to follow yet is no loss. */
function isConnected({ connection }: Chat): boolean {
  return connection === "connected" || connection === "idle";
}

function withConnection(chat: Chat, connection: Status): Chat {
  const next = { ...chat, connection, reachable: connection === "connected" };
  return { ...next, away: chat.away && !isConnected(next) };
}

/** Another visitor starts empty: what the one before said is not theirs. */
function withSession(chat: Chat, { visitor_id, site }: ChatEvent & { type: "session" }): Chat {
  const same = chat.visitor_id === null || chat.visitor_id === visitor_id;
  const { connection, reachable, away } = chat;
  const base = same ? chat : { ...fresh, connection, reachable, away };
  return { ...base, visitor_id, site, problem: null };
}

function withConversation(
  chat: Chat,
  conversation: VisitorConversation | null,
  read_seq?: number,
): Chat {
  if (conversation && conversation.id === chat.conversation?.id) {
    return { ...chat, conversation: newer(chat.conversation, conversation) };
  }
  return { ...chat, ...blank, conversation, read_seq: read_seq ?? 0 };
}

/** A list read before the transcript may come after it. */
function newer(known: VisitorConversation, read: VisitorConversation): VisitorConversation {
  return read.rev >= known.rev ? read : known;
}

function withTranscript(chat: Chat, event: ChatEvent & { type: "transcript" }): Chat {
  const { transcript, conversation_id, live } = event;
  if (!chat.conversation || chat.conversation.id !== conversation_id) return chat;
  const { state, handoff } = transcript;
  const rev = Math.max(chat.conversation.rev, transcript.cursor);
  const read = withMessages(chat, transcript.items);
  return {
    ...read,
    reachable: true,
    caught_up: chat.caught_up || transcript.items.length < PAGE_ITEMS,
    conversation: { ...chat.conversation, state, handoff, rev },
    cursor: Math.max(chat.cursor, transcript.cursor),
    answer: answerAfter(read, transcript, live),
    expecting: transcript.answer || isQuiet(state) ? null : read.expecting,
    typing: state === "staff" ? read.typing : null,
  };
}

/** An answer that the server no longer runs is gone, unless it began after we asked. */
function answerAfter(
  { answer, messages }: Chat,
  transcript: Transcript,
  live: string | null,
): Answer | null {
  const snapshot = transcript.answer;
  if (snapshot && find(messages, snapshot.mid)?.status !== "complete")
    return withSnapshot(answer, snapshot);
  return answer && !answer.ended && answer.mid !== live ? answer : null;
}

function isQuiet(state: ConversationState): boolean {
  return state === "staff" || state === "closed";
}

function withAnswer(chat: Chat, frame: AnswerFrame): Chat {
  if (frame.event === "answer.start" && frame.frame.conversation_id !== chat.conversation?.id)
    return chat;
  if (chat.answer?.mid !== frame.frame.mid && isPast(chat, frame.frame)) return chat;
  const answer = withFrame(chat.answer, frame);
  return { ...chat, answer, expecting: answer ? null : chat.expecting };
}

/** A stored answer is over, unless it broke off and this is a later attempt at it. */
function isPast(
  { messages, past }: Chat,
  { mid, attempt }: { mid: string; attempt: number },
): boolean {
  const stored = find(messages, mid);
  const last = past?.mid === mid ? past.attempt : 1;
  return stored !== undefined && (stored.status === "complete" || attempt <= last);
}

function find(messages: Message[], mid: string): Message | undefined {
  return messages.find(({ id }) => id === mid);
}

function withRating(chat: Chat, event: ChatEvent & { type: "rated" }): Chat {
  const { mid, feedback, failed } = event;
  const messages = chat.messages.map((each) => (each.id === mid ? { ...each, feedback } : each));
  return { ...chat, messages, unrated: failed ? mid : null };
}

function withQueued(chat: Chat, event: ChatEvent & { type: "queued" }): Chat {
  const { client_id, text } = event;
  const others = chat.outbox.filter((each) => each.client_id !== client_id);
  const sending: Outgoing = { client_id, text, status: "sending", problem: null, wait_s: 0 };
  const asksBot = !chat.conversation || !isQuiet(chat.conversation.state);
  return { ...chat, outbox: [...others, sending], expecting: asksBot ? client_id : null };
}

function withStored(chat: Chat, message: Message): Chat {
  const base = isHere(chat, message)
    ? chat
    : { ...withConversation(chat, begun(message)), caught_up: true };
  // A revision right after the last one read leaves nothing between them to be read.
  const cursor = message.rev === base.cursor + 1 ? message.rev : base.cursor;
  return withMessages({ ...base, expecting: chat.expecting, cursor }, [message]);
}

function isHere({ conversation }: Chat, { conversation_id }: Message): boolean {
  return conversation?.id === conversation_id;
}

/** A first message makes its conversation; its transcript tells the rest. */
function begun({ conversation_id, created_at }: Message): VisitorConversation {
  return {
    id: conversation_id,
    state: "bot",
    handoff: null,
    created_at,
    last_message_at: created_at,
    rev: 0,
  };
}

function withRefused(chat: Chat, { client_id, problem }: ChatEvent & { type: "refused" }): Chat {
  const next = withOutgoing(chat, client_id, { status: "failed", problem });
  return { ...next, expecting: chat.expecting === client_id ? null : chat.expecting };
}

function withOutgoing(chat: Chat, client_id: string, change: Partial<Outgoing>): Chat {
  const outbox = chat.outbox.map((each) =>
    each.client_id === client_id ? { ...each, ...change } : each,
  );
  return { ...chat, outbox };
}

/** Stored messages replace what stood in for them: a sent text by `client_id`, a live answer by its id. */
function withMessages(chat: Chat, items: Message[]): Chat {
  if (items.length === 0) return chat;
  const byId = new Map(chat.messages.map((each) => [each.id, each]));
  for (const item of items) {
    const known = byId.get(item.id);
    if (item.seq !== null && (!known || item.rev >= known.rev)) byId.set(item.id, item);
  }
  const messages = [...byId.values()].sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0));
  const sent = new Set(items.map(({ client_id }) => client_id));
  const outbox = chat.outbox.filter(({ client_id }) => !sent.has(client_id));
  const answered = items.some(
    ({ id, author }) =>
      isTheirs(author.kind) && (id === chat.expecting || !find(chat.messages, id)),
  );
  const stored = items.some(({ id }) => id === chat.answer?.mid);
  return {
    ...chat,
    messages,
    outbox,
    answer: stored ? null : chat.answer,
    expecting: answered && outbox.length === 0 ? null : chat.expecting,
    typing: items.some(({ author }) => author.kind === "staff") ? null : chat.typing,
  };
}

function assertNever(event: never): never {
  throw new Error(event);
}
