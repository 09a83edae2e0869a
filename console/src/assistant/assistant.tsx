/** The bot itself: how it speaks, which models it asks, what it may cost a day. */
import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { useMayChange } from "../knowledge/acting";
import { useOrg } from "../org";
import { cx } from "../parts/cx";

const ROOMS = [
  { name: "Persona", to: "/$slug/assistant", end: "", admins: false },
  { name: "Models", to: "/$slug/assistant/models", end: "/models", admins: true },
  { name: "Budget", to: "/$slug/assistant/budget", end: "/budget", admins: false },
] as const;

export function AssistantScreen() {
  const { slug } = useOrg();
  const mayChange = useMayChange();
  const path = useLocation({ select: ({ pathname }) => pathname });
  const within = path.slice(path.indexOf("/assistant") + "/assistant".length);
  const here = ROOMS.find(({ end }) => end && within.startsWith(end)) ?? ROOMS[0];
  return (
    <div className="flex h-full flex-col">
      <header className="flex shrink-0 flex-wrap items-end gap-x-6 border-b border-line bg-surface px-2 md:px-6">
        <h2 className="hidden py-3 text-lg font-semibold md:block">Assistant</h2>
        <nav aria-label="Assistant" className="flex flex-1 gap-1">
          {ROOMS.filter(({ admins }) => mayChange || !admins).map((room) => (
            <Link
              key={room.to}
              to={room.to}
              params={{ slug }}
              aria-current={room === here ? "page" : undefined}
              className={cx(
                "border-b-2 px-2.5 py-3 font-medium whitespace-nowrap",
                room === here
                  ? "border-accent text-accent-strong"
                  : "border-transparent text-soft hover:text-ink",
              )}
            >
              {room.name}
            </Link>
          ))}
        </nav>
      </header>
      <div className="min-h-0 flex-1">
        <Outlet />
      </div>
    </div>
  );
}
