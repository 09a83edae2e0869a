/** The shapes that staff calls carry, under short names; the server's schema declares them. */
import type { ApiError } from "@widget/wire";
import type { components } from "@widget/wire.gen";

export type {
  AuthorKind,
  ConversationState,
  LiveAnswer,
  Message,
  Signal,
  Source,
  Typing,
} from "@widget/wire";
export type { paths as Paths } from "@widget/wire.gen";

type Schemas = components["schemas"];

export type Page<Item> = { items: Item[]; next: string | null };

export type Me = Schemas["Me"];
export type Membership = Schemas["OrgMembership"];
export type View = Schemas["View"];
export type Conversation = Schemas["StaffConversation"];
/** At most 200 items in `rev` order; ask again while there are 200. */
export type TranscriptPage = Schemas["StaffTranscript"];
export type NewMessage = Schemas["Reply"];

export type ErrorEnvelope = { error: ApiError };
