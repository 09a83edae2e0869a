/** The shapes that travel between server and browser, under short names; the server's schema declares them. */
import type { components } from "./wire.gen";

type Schemas = components["schemas"];

export type AuthorKind = Schemas["AuthorKind"];
export type Source = Schemas["Source"];
export type Message = Schemas["Message"];
export type Feedback = Schemas["Feedback"];
export type VisitorConversation = Schemas["VisitorConversation"];
/** `waiting`: a handoff is open and nobody took it yet; `staff`: someone did. */
export type ConversationState = VisitorConversation["state"];
/** The running answer up to now. */
export type LiveAnswer = Schemas["LiveAnswer"];
/** At most 200 items in `rev` order; ask again while there are 200. */
export type Transcript = Schemas["Transcript"];
export type SessionReply = Schemas["SessionReply"];
/** A session that a browser kept from before an update names no topic of availability. */
export type Availability = Omit<Schemas["Availability"], "topic"> &
  Partial<Pick<Schemas["Availability"], "topic">>;
export type Site = Omit<SessionReply["site"], "availability"> & { availability: Availability };

/** What a signal says: something changed. Fetch it again. `version` has a default: it may be left out. */
export type Signal = Omit<Schemas["Signal"], "version"> &
  Partial<Pick<Schemas["Signal"], "version">>;
export type SubscribeReply = Omit<Schemas["Subscribed"], "missed"> & { missed: Signal[] };
export type AnswerStart = Schemas["Start"];
export type AnswerDelta = Schemas["Delta"];
export type AnswerEnd = Schemas["End"];
export type Typing = Schemas["Typing"];
/** What the server does to this socket, or asks of it; `retry_after_s` for a return that is to be spread out. */
export type SystemNotice = Omit<Schemas["System"], "retry_after_s"> &
  Partial<Pick<Schemas["System"], "retry_after_s">>;
/** Somebody who is there, however many windows are open: `staff:{id}` or `visitor:{id}`. */
export type Member = Schemas["Member"];
/** What somebody who is there says of it: flat, and nothing that others must not see. */
export type PresenceState = Member["state"];
/** Who came or changed, and who left; `state` when not null is everyone, in place of what was known. */
export type PresenceEvent = Schemas["Presence"];
export type PresenceReply = Schemas["Present"];
/** Something that is kept nowhere, from one client to the others who hear a topic. */
export type BroadcastEvent = Omit<Schemas["Broadcast"], "payload"> & {
  payload: Record<string, unknown>;
};

/** The one shape of a refusal: on HTTP and in acknowledgements, under `error`. */
export type ApiError = {
  code: string;
  message: string;
  retry: "never" | "backoff" | "refetch";
  retry_after_s?: number;
};

/** Everything the server sends on its own account, by event name. */
export type ServerEvents = {
  signal: Signal;
  "answer.start": AnswerStart;
  "answer.delta": AnswerDelta;
  "answer.snap": AnswerDelta;
  "answer.end": AnswerEnd;
  typing: Typing;
  presence: PresenceEvent;
  broadcast: BroadcastEvent;
  system: SystemNotice;
};

type AnswerEvent = "answer.start" | "answer.delta" | "answer.snap" | "answer.end";

export type AnswerFrame = { [E in AnswerEvent]: { event: E; frame: ServerEvents[E] } }[AnswerEvent];

export type ResumeReply = { frames: AnswerFrame[] };
