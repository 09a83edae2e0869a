/** What stands around every screen of an organisation: where one can go, who one is, whether it is live. */
import { getRouteApi, Link, Outlet, useLocation } from "@tanstack/react-router";
import { BookOpen, Bot, Globe, Inbox } from "lucide-react";
import { lazy, Suspense } from "react";
import { OrgProvider, useOrg } from "../org";
import { cx } from "../parts/cx";
import { RealtimeConnectionBadge } from "../realtime/badge";
import { ConnectionNotice } from "../realtime/notice";
import { useBeOnline } from "./online";
import { OwnFace } from "./own-face";
import { useWaiting } from "./waiting";

const route = getRouteApi("/$slug");

// Menus are much code, and nobody opens one before the first screen stands.
const AccountMenu = lazy(async () => ({ default: (await import("./account")).AccountMenu }));

const PLACES = [
  { name: "Inbox", to: "/$slug/inbox", icon: Inbox },
  { name: "Knowledge", to: "/$slug/knowledge", icon: BookOpen },
  { name: "Assistant", to: "/$slug/assistant", icon: Bot },
  { name: "Sites", to: "/$slug/sites", icon: Globe },
] as const;

const OWN_PLACE =
  "flex flex-col items-center gap-1 py-2 text-xs max-sm:text-[0.68rem] md:rounded-xl md:py-2.5";

export function OrgScreen() {
  const { me } = route.useRouteContext();
  return (
    <OrgProvider me={me}>
      <Shell />
    </OrgProvider>
  );
}

function Shell() {
  const {
    slug,
    me: { org },
  } = useOrg();
  const path = useLocation({ select: ({ pathname }) => pathname });
  const here = PLACES.find(({ name }) => path.includes(`/${name.toLowerCase()}`))?.name ?? "Console";
  const waiting = useWaiting(here);
  useBeOnline();
  const reading = /\/inbox\/./.test(path);
  return (
    <div className="flex h-dvh flex-col-reverse md:flex-row">
      <nav
        aria-label="Main"
        className={cx(
          "shrink-0 bg-rail text-rail-ink md:flex md:w-22 md:flex-col md:gap-1 md:px-2 md:py-3",
          reading ? "hidden" : "grid grid-cols-6 pb-[env(safe-area-inset-bottom)]",
        )}
      >
        {PLACES.map(({ name, to, icon: Icon }) => (
          <Link
            key={name}
            to={to}
            params={{ slug }}
            className="relative flex flex-col items-center gap-1 py-2 text-xs hover:text-white max-sm:text-[0.68rem] md:rounded-xl md:py-2.5"
            activeProps={{ className: "text-white md:bg-rail-on" }}
          >
            <Icon size={20} strokeWidth={1.75} aria-hidden />
            {name}
            {name === "Inbox" && waiting > 0 && (
              <span className="absolute top-1 left-1/2 ml-1.5 min-w-4.5 rounded-full bg-white px-1 text-center text-[0.68rem] leading-4.5 font-bold text-[#8f2a00]">
                {waiting}
                <span className="sr-only"> waiting</span>
              </span>
            )}
          </Link>
        ))}
        <div className="hidden md:block md:flex-1" />
        <RealtimeConnectionBadge />
        <Suspense
          fallback={
            <span className={OWN_PLACE}>
              <OwnFace />
            </span>
          }
        >
          <AccountMenu className={OWN_PLACE}>
            <OwnFace />
          </AccountMenu>
        </Suspense>
      </nav>
      <main className="flex min-h-0 min-w-0 flex-1 flex-col">
        <h1 className="sr-only">
          {here} · {org.name}
        </h1>
        <ConnectionNotice />
        <div className="min-h-0 flex-1">
          <Outlet />
        </div>
      </main>
    </div>
  );
}
