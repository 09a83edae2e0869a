/** What a row of the inbox says, worked out from its conversation. Pure. */
import type { Conversation, Page, View } from "../wire";

export const VIEWS: readonly View[] = ["waiting", "mine", "bot", "disliked", "all", "closed"];

export const VIEW_NAMES: Record<View, string> = {
  waiting: "Waiting",
  mine: "Mine",
  bot: "Bot",
  disliked: "Disliked",
  all: "All",
  closed: "Closed",
};

export type Urgency = "fresh" | "late" | "overdue";

const LATE_MS = 60_000;
const OVERDUE_MS = 5 * 60_000;

export function isView(value: unknown): value is View {
  return VIEWS.some((view) => view === value);
}

/** The visitor's name, or one made of the end of the id (its beginning is the time and much alike). */
export function visitorName({ visitor }: Conversation): string {
  return visitor?.name || `Visitor ${visitor?.id.slice(-4) ?? "unknown"}`;
}

/** Pages as one list, each conversation once; in `waiting`, who waits longest comes first. */
export function rowsOf(pages: Page<Conversation>[], view: View): Conversation[] {
  const byId = new Map<string, Conversation>();
  for (const conversation of pages.flatMap((page) => page.items)) {
    const before = byId.get(conversation.id);
    if (!before || before.rev < conversation.rev) byId.set(conversation.id, conversation);
  }
  const rows = [...byId.values()];
  return view === "waiting" ? rows.sort((a, b) => waitingSince(a) - waitingSince(b)) : rows;
}

/** The open conversation keeps a row, at the top, also when it has left the view: one has just acted on it. */
export function withOpen(rows: Conversation[], open: Conversation | undefined): Conversation[] {
  if (!open) return rows;
  const listed = rows.some(({ id }) => id === open.id);
  return listed ? rows.map((row) => (row.id === open.id ? withStateOf(row, open) : row)) : [open, ...rows];
}

/** Of two readings of a conversation the later one. */
function withStateOf(row: Conversation, open: Conversation): Conversation {
  return open.rev > row.rev ? open : row;
}

export function waitingSince(conversation: Conversation): number {
  return Date.parse(conversation.handoff?.requested_at ?? conversation.updated_at);
}

/** How long somebody has waited, as a colour; null when nobody waits. */
export function urgency(conversation: Conversation, now: number): Urgency | null {
  if (conversation.state !== "waiting") return null;
  const waited = now - waitingSince(conversation);
  if (waited >= OVERDUE_MS) return "overdue";
  return waited >= LATE_MS ? "late" : "fresh";
}

export function isMine(conversation: Conversation, staff_id: string): boolean {
  return conversation.state === "staff" && conversation.handoff?.taken_by?.id === staff_id;
}

/** Those who wait now and did not before; nobody is new at the first look. */
export function newlyWaiting(before: ReadonlySet<string> | null, now: Conversation[]): Conversation[] {
  return before ? now.filter((conversation) => !before.has(conversation.id)) : [];
}

/** "(2) Inbox · Acme": what the tab says. */
export function tabTitle(place: string, org: string, waiting: number): string {
  return `${waiting > 0 ? `(${waiting}) ` : ""}${place} · ${org}`;
}

/** The row to go to from `current` by `step`; the first one when none is current. */
export function neighbour(ids: string[], current: string | null, step: 1 | -1): string | null {
  const at = current === null ? -1 : ids.indexOf(current);
  if (at === -1) return ids[0] ?? null;
  return ids[Math.min(Math.max(at + step, 0), ids.length - 1)] ?? null;
}
