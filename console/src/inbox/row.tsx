import { Link } from "@tanstack/react-router";
import { Bot, Clock, Headset, Lock } from "lucide-react";
import { useOrg } from "../org";
import { Avatar } from "../parts/avatar";
import { Chip, type ChipTone } from "../parts/chip";
import { cx } from "../parts/cx";
import { age } from "../times";
import type { Conversation, View } from "../wire";
import { isMine, type Urgency, urgency, visitorName, waitingSince } from "./rows";

export function rowId(conversation_id: string): string {
  return `row-${conversation_id}`;
}

type RowProps = { conversation: Conversation; view: View; open: boolean; now: number };

export function Row({ conversation, view, open, now }: RowProps) {
  const { slug } = useOrg();
  const { id, visitor, site, last_message } = conversation;
  const name = visitorName(conversation);
  return (
    <li className="[content-visibility:auto] [contain-intrinsic-size:auto_5.5rem]">
      <Link
        id={rowId(id)}
        data-row={id}
        to="/$slug/inbox/$conversationId"
        params={{ slug, conversationId: id }}
        search={{ view }}
        aria-current={open ? "true" : undefined}
        className={cx(
          "flex gap-3 border-b border-line px-4 py-3 -outline-offset-2",
          open ? "bg-sunken shadow-[inset_3px_0_0_var(--accent)]" : "hover:bg-hover focus-visible:bg-hover",
        )}
      >
        <Avatar kind="visitor" id={visitor?.id ?? null} name={name} />
        <div className="min-w-0 flex-1">
          <div className="flex items-baseline gap-2">
            <span className="min-w-0 flex-1 truncate font-semibold">{name}</span>
            <time dateTime={conversation.updated_at} className="text-xs text-soft">
              {age(Date.parse(last_message?.created_at ?? conversation.updated_at), now)}
            </time>
          </div>
          <p className="truncate text-soft">
            {last_message ? `${speaker(last_message.author_kind)}${last_message.text}` : "Nothing said yet"}
          </p>
          <div className="mt-1.5 flex items-center gap-2">
            <StateChip conversation={conversation} now={now} />
            {site && <span className="min-w-0 truncate text-xs text-soft">{site.name}</span>}
          </div>
        </div>
      </Link>
    </li>
  );
}

const WAITING_TONES: Record<Urgency, ChipTone> = { fresh: "good", late: "warn", overdue: "bad" };

export function StateChip({ conversation, now }: { conversation: Conversation; now: number }) {
  const { me } = useOrg();
  switch (conversation.state) {
    case "waiting": {
      const tone = WAITING_TONES[urgency(conversation, now) ?? "fresh"];
      const waited = age(waitingSince(conversation), now);
      return (
        <Chip tone={tone}>
          <Clock size={12} aria-hidden />
          {waited === "now" ? "Waits <1 min" : `Waits ${waited}`}
        </Chip>
      );
    }
    case "bot":
      return (
        <Chip>
          <Bot size={12} aria-hidden />
          Bot
        </Chip>
      );
    case "staff":
      return (
        <Chip tone="accent">
          <Headset size={12} aria-hidden />
          {isMine(conversation, me.staff.id) ? "You" : (conversation.handoff?.taken_by?.name ?? "Staff")}
        </Chip>
      );
    case "closed":
      return (
        <Chip>
          <Lock size={12} aria-hidden />
          Closed
        </Chip>
      );
  }
}

function speaker(kind: string): string {
  switch (kind) {
    case "assistant":
      return "Bot: ";
    case "staff":
      return "Staff: ";
    default:
      return "";
  }
}
