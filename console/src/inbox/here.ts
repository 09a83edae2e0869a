/** Who is at a conversation: its visitor, and colleagues who look at it. */
import type { Member } from "@widget/wire";
import { useOrg } from "../org";
import { colleagues, type Person, visitorKey } from "../realtime/people";
import { useRealtimePresence } from "../realtime/presence";
import { topics } from "../realtime/topics";
import type { Conversation } from "../wire";

/** `chat`: looks at the chat · `site`: has the page open, the chat out of sight · `away`: neither. */
export type Whereabouts = "chat" | "site" | "away";

/** `visitors` is null while there is nothing to know them by. */
export type Here = { viewers: Person[]; visitors: readonly Member[] | null };

/** For as long as one asks, colleagues see oneself there. */
export function useHere(conversation_id: string): Here {
  const { staff } = useOrg().me;
  const viewers = useRealtimePresence(topics.notes(conversation_id), {});
  const visitors = useRealtimePresence(topics.messages(conversation_id), null);
  return { viewers: colleagues(viewers ?? [], staff.id), visitors };
}

/** Where the visitor of the conversation is; null when that cannot be known. Pure. */
export function whereabouts({ visitors }: Here, { visitor }: Conversation): Whereabouts | null {
  if (!visitors || !visitor) return null;
  const member = visitors.find(({ key }) => key === visitorKey(visitor.id));
  if (!member) return "away";
  return member.state.viewing === true ? "chat" : "site";
}
