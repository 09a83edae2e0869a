/** The conversation that is open: who it is, the whole story, and where to write. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Headset, MessagesSquare } from "lucide-react";
import { keys } from "../keys";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { Empty, Failed, Loading } from "../parts/states";
import { answerQuery, outgoingQuery, threadQuery } from "../queries";
import { useFresh } from "../realtime/subscription";
import { topics } from "../realtime/topics";
import { type Act, useAct, useSay } from "./actions";
import { Collision } from "./collision";
import { Composer } from "./composer";
import { Earlier } from "./earlier";
import { Head } from "./head";
import { useHere } from "./here";
import { rowId } from "./row";
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
  const here = useHere(id);
  const writers = useTyping(id);
  const { say, again, discard } = useSay(id);
  const act = useAct(id);
  const { view = "waiting" } = route.useSearch();
  const navigate = route.useNavigate();
  useFresh(topics.messages(id), keys.thread(org.slug, id));
  useFresh(topics.notes(id), keys.thread(org.slug, id));
  if (!thread.data) {
    if (thread.error) return <Failed error={thread.error} onRetry={() => void thread.refetch()} />;
    return <Loading label="Loading the conversation" />;
  }
  const { conversation, messages } = thread.data;
  const onAct = (done: Act): void =>
    act.mutate(done, {
      // It is gone from these lists, and one goes on with it in one's own.
      onSuccess: () => {
        if (done === "take" && (view === "waiting" || view === "bot"))
          void navigate({ search: { view: "mine" }, replace: true });
      },
    });
  // On a phone it stands where one would write; elsewhere in the head.
  const take = (
    <Button tone="primary" className="md:hidden" disabled={act.isPending} onClick={() => onAct("take")}>
      <Headset size={16} aria-hidden /> Take over
    </Button>
  );
  return (
    <div className="flex h-full flex-col">
      <Head conversation={conversation} here={here} busy={act.isPending} onAct={onAct} />
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
        writers={writers}
        wanted={view === "disliked" ? firstDisliked(messages) : null}
        onAgain={again}
        onDiscard={discard}
      />
      <Collision writers={writers} />
      <Composer
        conversation={conversation}
        onSay={say}
        onLeave={() => document.getElementById(rowId(id))?.focus()}
        takeOver={take}
      />
    </div>
  );
}
