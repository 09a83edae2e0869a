/** What the bot knows: its documents, its answers by hand, the websites it reads, and a question to try. */
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { useOrg } from "../org";
import { cx } from "../parts/cx";
import { embeddingsQuery } from "./queries";
import { percent } from "./trying";

const ROOMS = [
  { name: "Documents", short: "Documents", to: "/$slug/knowledge", end: "" },
  { name: "Questions and answers", short: "Questions", to: "/$slug/knowledge/faqs", end: "/faqs" },
  { name: "Websites", short: "Websites", to: "/$slug/knowledge/websites", end: "/websites" },
  { name: "Try a question", short: "Try", to: "/$slug/knowledge/try", end: "/try" },
] as const;

export function KnowledgeScreen() {
  const { slug } = useOrg();
  const path = useLocation({ select: ({ pathname }) => pathname });
  const within = path.slice(path.indexOf("/knowledge") + "/knowledge".length);
  const here = ROOMS.find(({ end }) => end && within.startsWith(end)) ?? ROOMS[0];
  return (
    <div className="flex h-full flex-col">
      <header className="flex shrink-0 flex-wrap items-end gap-x-6 border-b border-line bg-surface px-2 md:px-6">
        <h2 className="hidden py-3 text-lg font-semibold md:block">Knowledge</h2>
        <nav aria-label="Knowledge base" className="flex flex-1 justify-between gap-1 sm:justify-start">
          {ROOMS.map((room) => (
            <Link
              key={room.to}
              to={room.to}
              params={{ slug }}
              aria-label={room.name}
              aria-current={room === here ? "page" : undefined}
              className={cx(
                "border-b-2 px-2.5 py-3 font-medium whitespace-nowrap",
                room === here
                  ? "border-accent text-accent-strong"
                  : "border-transparent text-soft hover:text-ink",
              )}
            >
              <span className="sm:hidden">{room.short}</span>
              <span className="hidden sm:inline">{room.name}</span>
            </Link>
          ))}
        </nav>
      </header>
      <Switching />
      <div className="min-h-0 flex-1">
        <Outlet />
      </div>
    </div>
  );
}

/** A switch to another embedding model goes on in the background: one line says so on every page. */
function Switching() {
  const org = useOrg();
  const { data } = useQuery(embeddingsQuery(org));
  if (!data?.next_model) return null;
  return (
    <p className="shrink-0 border-b border-line bg-accent-tint px-4 py-2 text-accent-strong md:px-6">
      The meaning search moves to another model: {percent(data.progress)}.{" "}
      <Link to="/$slug/knowledge/try" params={{ slug: org.slug }} hash="embeddings" className="underline">
        Show more
      </Link>
    </p>
  );
}
