/** The conversation that is open: who it is, the whole story, and where to write. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ArrowLeft, Bot, CircleCheck, Headset, MessagesSquare } from "lucide-react";
import { useState } from "react";
import { keys } from "../keys";
import { topics } from "../live";
import { useOrg, useRealtimeSubscription } from "../org";
import { Avatar } from "../parts/avatar";
import { Button, buttonClass } from "../parts/button";
import { Confirm } from "../parts/dialog";
import { useNow } from "../parts/now";
import { Empty, Failed, Loading } from "../parts/states";
import { answerQuery, outgoingQuery, threadQuery } from "../queries";
import { useShortcuts } from "../shell/shortcuts";
import type { Conversation } from "../wire";
import { type Act, actsFor, useAct, useSay } from "./actions";
import { Composer } from "./composer";
import { Earlier } from "./earlier";
import { rowId, StateChip } from "./row";
import { visitorName } from "./rows";
import { Story } from "./story";
import { firstDisliked, runningAnswer, unstored } from "./thread";
import { useTyping } from "./typing";

const route = getRouteApi("/$slug/inbox/$conversationId");

export function NoConversation() {
  return (
    <Empty icon={MessagesSquare} title="No conversation is open">
      Choose one from the list, or press <kbd>j</kbd> and <kbd>Enter</kbd>.
    </Empty>
  );
}

export function ConversationScreen() {
  const { conversationId } = route.useParams();
  return <ConversationPane key={conversationId} id={conversationId} />;
}

export function ConversationPane({ id }: { id: string }) {
  const org = useOrg();
  const thread = useQuery(threadQuery(org, id));
  const { data: answer = null } = useQuery(answerQuery(org, id));
  const { data: outgoing = [] } = useQuery(outgoingQuery(org, id));
  const typing = useTyping(id);
  const { say, again, discard } = useSay(id);
  const act = useAct(id);
  const { view } = route.useSearch();
  useRealtimeSubscription(topics.messages(id), keys.thread(org.slug, id));
  useRealtimeSubscription(topics.notes(id), keys.thread(org.slug, id));
  if (!thread.data) {
    if (thread.error) return <Failed error={thread.error} onRetry={() => void thread.refetch()} />;
    return <Loading label="Loading the conversation" />;
  }
  const { conversation, messages } = thread.data;
  // On a phone it stands where one would write; elsewhere in the head.
  const take = (
    <Button tone="primary" className="md:hidden" disabled={act.isPending} onClick={() => act.mutate("take")}>
      <Headset size={16} aria-hidden /> Take over
    </Button>
  );
  return (
    <div className="flex h-full flex-col">
      <Head conversation={conversation} busy={act.isPending} onAct={act.mutate} />
      {conversation.handoff?.reason && (
        <p dir="auto" className="border-b border-line bg-surface px-4 py-2 wrap-anywhere">
          <span className="text-soft">Asked for a person: </span>
          {conversation.handoff.reason}
        </p>
      )}
      <Earlier conversation={conversation} />
      <Story
        conversation={conversation}
        messages={messages}
        answer={runningAnswer(answer, messages)}
        outgoing={unstored(outgoing, messages)}
        typing={typing}
        wanted={view === "disliked" ? firstDisliked(messages) : null}
        onAgain={again}
        onDiscard={discard}
      />
      <Composer
        conversation={conversation}
        onSay={say}
        onLeave={() => document.getElementById(rowId(id))?.focus()}
        takeOver={take}
      />
    </div>
  );
}

type HeadProps = { conversation: Conversation; busy: boolean; onAct: (act: Act) => void };

function Head({ conversation, busy, onAct }: HeadProps) {
  const { me, slug } = useOrg();
  const { view } = route.useSearch();
  const now = useNow();
  const [closing, setClosing] = useState(false);
  const acts = actsFor(conversation, me.staff.id);
  const may = (act: Act): boolean => acts.includes(act) && !busy;
  useShortcuts({
    i: () => (may("take") ? onAct("take") : may("release") && onAct("release")),
    e: () => may("close") && setClosing(true),
  });
  const { visitor, site } = conversation;
  const name = visitorName(conversation);
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
      <Avatar kind="visitor" id={visitor?.id ?? null} name={name} />
      <div className="min-w-0 flex-1">
        <h2 className="truncate text-[0.9375rem] font-semibold">{name}</h2>
        <p className="flex min-w-0 items-center gap-2">
          <StateChip conversation={conversation} now={now} />
          {site && <span className="truncate text-xs text-soft">{site.name}</span>}
        </p>
      </div>
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
          <Button disabled={busy} onClick={() => setClosing(true)} aria-keyshortcuts="e">
            <CircleCheck size={16} aria-hidden /> <span className="sr-only sm:not-sr-only">Close</span>
          </Button>
        )}
      </div>
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
