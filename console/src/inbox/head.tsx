/** Above a conversation: where its visitor is, who else looks at it, and what can be done with it. */
import { getRouteApi, Link } from "@tanstack/react-router";
import { ArrowLeft, Bot, CircleCheck, Eye, Headset } from "lucide-react";
import { useState } from "react";
import { useOrg } from "../org";
import { Avatar } from "../parts/avatar";
import { Button, buttonClass } from "../parts/button";
import { cx } from "../parts/cx";
import { Confirm } from "../parts/dialog";
import { useNow } from "../parts/now";
import { PresenceAvatars } from "../realtime/avatars";
import { named, type Person } from "../realtime/people";
import { useShortcuts } from "../shell/shortcuts";
import type { Conversation } from "../wire";
import { type Act, actsFor } from "./actions";
import { type Here, type Whereabouts, whereabouts } from "./here";
import { StateChip } from "./row";
import { visitorName } from "./rows";

const route = getRouteApi("/$slug/inbox/$conversationId");

type HeadProps = { conversation: Conversation; here: Here; busy: boolean; onAct: (act: Act) => void };

export function Head({ conversation, here, busy, onAct }: HeadProps) {
  const { me, slug } = useOrg();
  const { view } = route.useSearch();
  const [closing, setClosing] = useState(false);
  const acts = actsFor(conversation, me.staff.id);
  const may = (act: Act): boolean => acts.includes(act) && !busy;
  useShortcuts({
    i: () => (may("take") ? onAct("take") : may("release") && onAct("release")),
    e: () => may("close") && setClosing(true),
  });
  return (
    <header className="flex items-center gap-3 border-b border-line bg-surface px-3 py-2.5 md:px-4">
      <Link
        to="/$slug/inbox"
        params={{ slug }}
        search={view ? { view } : {}}
        aria-label="Back to the list"
        className={buttonClass("quiet", "-ml-1 md:hidden", true)}
      >
        <ArrowLeft size={20} aria-hidden />
      </Link>
      <Who conversation={conversation} where={whereabouts(here, conversation)} />
      <Viewers people={here.viewers} />
      <Acts acts={acts} busy={busy} onAct={(act) => (act === "close" ? setClosing(true) : onAct(act))} />
      <Confirm
        title="Close this conversation?"
        about="The visitor is told. It opens again when the visitor writes."
        action="Close conversation"
        open={closing}
        onClose={() => setClosing(false)}
        onConfirm={() => onAct("close")}
      />
    </header>
  );
}

const PLACES: Record<Whereabouts, { name: string; dot: string | null; words: string }> = {
  chat: { name: "In the chat", dot: "bg-good", words: "font-medium text-good" },
  site: { name: "On the site", dot: "bg-edge", words: "text-soft" },
  away: { name: "Offline", dot: null, words: "text-soft" },
};

function Who({ conversation, where }: { conversation: Conversation; where: Whereabouts | null }) {
  const { visitor, site } = conversation;
  const now = useNow();
  const place = where && PLACES[where];
  const name = visitorName(conversation);
  return (
    <>
      <span className="relative flex">
        <Avatar kind="visitor" id={visitor?.id ?? null} name={name} />
        {place?.dot && (
          <span
            className={cx(
              "absolute -end-0.5 -bottom-0.5 size-3 rounded-full border-2 border-surface",
              place.dot,
            )}
            aria-hidden
          />
        )}
      </span>
      <div className="min-w-0 flex-1">
        <h2 className="truncate text-[0.9375rem] font-semibold">{name}</h2>
        <p className="flex min-w-0 items-center gap-2">
          <StateChip conversation={conversation} now={now} />
          {place && <span className={cx("shrink-0 text-xs", place.words)}>{place.name}</span>}
          {site && (
            <span className={cx("truncate text-xs text-soft", place && "max-sm:hidden")}>{site.name}</span>
          )}
        </p>
      </div>
    </>
  );
}

/** Colleagues who look at the same conversation; said aloud as they come. */
function Viewers({ people }: { people: Person[] }) {
  return (
    <>
      <p role="status" className="sr-only">
        {people.length > 0 &&
          `${named(people)} ${people.length === 1 ? "looks" : "look"} at this conversation too.`}
      </p>
      {people.length > 0 && (
        <div className="flex items-center gap-1.5 text-soft">
          <Eye size={15} aria-hidden />
          <PresenceAvatars people={people} label="Also looking at this" align="end" />
        </div>
      )}
    </>
  );
}

type ActsProps = { acts: Act[]; busy: boolean; onAct: (act: Act) => void };

function Acts({ acts, busy, onAct }: ActsProps) {
  return (
    <div className="flex gap-2">
      {acts.includes("take") && (
        <Button
          tone="primary"
          className="max-md:hidden"
          disabled={busy}
          onClick={() => onAct("take")}
          aria-keyshortcuts="i"
        >
          <Headset size={16} aria-hidden /> Take over
        </Button>
      )}
      {acts.includes("release") && (
        <Button disabled={busy} onClick={() => onAct("release")} aria-keyshortcuts="i">
          <Bot size={16} aria-hidden /> <span className="sr-only sm:not-sr-only">Hand back to the bot</span>
        </Button>
      )}
      {acts.includes("close") && (
        <Button disabled={busy} onClick={() => onAct("close")} aria-keyshortcuts="e">
          <CircleCheck size={16} aria-hidden /> <span className="sr-only sm:not-sr-only">Close</span>
        </Button>
      )}
    </div>
  );
}
