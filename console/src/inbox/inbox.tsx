/** The list of conversations beside the one that is open; on a phone, one of the two. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, Outlet, useNavigate, useParams } from "@tanstack/react-router";
import { Inbox } from "lucide-react";
import { Button } from "../parts/button";
import { cx } from "../parts/cx";
import { useNow } from "../parts/now";
import { Empty, Failed, Loading } from "../parts/states";
import { useOrg } from "../org";
import { conversationsQuery, threadQuery } from "../queries";
import { PresenceAvatars } from "../realtime/avatars";
import { useOnline } from "../shell/online";
import { useShortcuts } from "../shell/shortcuts";
import type { Conversation, Page, View } from "../wire";
import { Row, rowId } from "./row";
import { neighbour, rowsOf, VIEW_NAMES, VIEWS, withOpen } from "./rows";

const route = getRouteApi("/$slug/inbox");

const NOTHING: Record<View, { title: string; about: string }> = {
  waiting: { title: "Nobody waits", about: "Who asks for a person appears here at once." },
  mine: { title: "Nothing is yours", about: "Conversations you take over are listed here." },
  bot: { title: "The bot is idle", about: "Conversations it answers are listed here." },
  disliked: {
    title: "Nothing is disliked",
    about: "Conversations with an answer that its visitor disliked and nobody has looked at are listed here.",
  },
  all: { title: "No conversations yet", about: "They begin when a visitor writes on one of your sites." },
  closed: { title: "Nothing is closed", about: "Closed conversations are kept here." },
};

export function InboxScreen() {
  const { view = "waiting" } = route.useSearch();
  const { conversationId: open = null } = useParams({ strict: false });
  const navigate = useNavigate();
  const { slug } = useOrg();
  const step = (by: 1 | -1) => (): void => {
    const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")].map(
      (row) => row.dataset.row ?? "",
    );
    const focused = document.activeElement?.closest<HTMLElement>("[data-row]")?.dataset.row;
    const next = neighbour(rows, focused ?? open, by);
    if (next) document.getElementById(rowId(next))?.focus();
  };
  useShortcuts({
    j: step(1),
    k: step(-1),
    Escape: () => void navigate({ to: "/$slug/inbox", params: { slug }, search: { view } }),
  });
  return (
    <div className="flex h-full">
      <section
        aria-label="Conversations"
        className={cx(
          "h-full min-h-0 w-full flex-col border-line bg-surface md:flex md:border-r md:w-88 md:shrink-0",
          open ? "hidden" : "flex",
        )}
      >
        <div className="flex min-h-13 items-center justify-between gap-3 px-4 pt-3 pb-1">
          <h2 className="text-lg font-semibold">Inbox</h2>
          <Colleagues />
        </div>
        <Views current={view} />
        <List view={view} open={open} />
      </section>
      <section
        aria-label="Conversation"
        className={cx("h-full min-w-0 flex-1", open ? "block" : "hidden md:block")}
      >
        <Outlet />
      </section>
    </div>
  );
}

/** Who else has the console open. */
function Colleagues() {
  const online = useOnline();
  if (!online) return null;
  if (online.others.length === 0) return <p className="text-xs text-soft">No colleague is online</p>;
  return (
    <div className="flex items-center gap-2 text-xs text-soft">
      Online
      <PresenceAvatars people={online.others} label="Colleagues online" align="end" />
    </div>
  );
}

function Views({ current }: { current: View }) {
  const org = useOrg();
  const waiting = useInfiniteQuery(conversationsQuery(org, "waiting"));
  const disliked = useInfiniteQuery(conversationsQuery(org, "disliked"));
  const counts: Partial<Record<View, string>> = {
    waiting: countOf(waiting, "waiting"),
    disliked: countOf(disliked, "disliked"),
  };
  return (
    <nav
      aria-label="Views"
      className="flex gap-0.5 overflow-x-auto border-b border-line px-2.5 pb-2.5 max-md:justify-between"
    >
      {VIEWS.map((view) => (
        <Link
          key={view}
          from="/$slug/inbox"
          to="."
          search={{ view }}
          aria-current={view === current ? "page" : undefined}
          className={cx(
            "flex h-8 shrink-0 items-center gap-1 rounded-lg px-1.5 text-[0.8125rem] font-medium",
            view === current ? "bg-accent-tint text-accent-strong" : "text-soft hover:bg-hover",
          )}
        >
          {VIEW_NAMES[view]}{" "}
          {counts[view] && (
            <span
              className={cx(
                "min-w-4.5 rounded-full px-1 text-center text-[0.68rem] leading-4.5 font-bold",
                view === "waiting" ? "bg-warn text-surface" : "bg-sunken text-ink",
              )}
            >
              {counts[view]}
            </span>
          )}
        </Link>
      ))}
    </nav>
  );
}

type Counted = { data: { pages: Page<Conversation>[] } | undefined; hasNextPage: boolean };

/** How many there are, "50+" while there are more pages; nothing for none. */
function countOf({ data, hasNextPage }: Counted, view: View): string {
  const count = data ? rowsOf(data.pages, view).length : 0;
  return count === 0 ? "" : `${count}${hasNextPage ? "+" : ""}`;
}

function List({ view, open }: { view: View; open: string | null }) {
  const org = useOrg();
  const now = useNow();
  const list = useInfiniteQuery(conversationsQuery(org, view));
  const { data: thread } = useQuery({ ...threadQuery(org, open ?? ""), enabled: false });
  if (list.data) {
    const rows = withOpen(rowsOf(list.data.pages, view), open === null ? undefined : thread?.conversation);
    if (rows.length === 0) {
      return (
        <Empty icon={Inbox} title={NOTHING[view].title}>
          {NOTHING[view].about}
        </Empty>
      );
    }
    return (
      <div className="min-h-0 flex-1 overflow-y-auto">
        <ul>
          {rows.map((conversation) => (
            <Row
              key={conversation.id}
              conversation={conversation}
              view={view}
              open={conversation.id === open}
              now={now}
            />
          ))}
        </ul>
        {list.hasNextPage && (
          <div className="p-3 text-center">
            <Button disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
              {list.isFetchingNextPage ? "Loading…" : "Show older"}
            </Button>
          </div>
        )}
      </div>
    );
  }
  if (list.error) return <Failed error={list.error} onRetry={() => void list.refetch()} />;
  return <Loading label="Loading conversations" />;
}
