import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { newlyWaiting, rowsOf, tabTitle, visitorName } from "../inbox/rows";
import { keys } from "../keys";
import { useOrg } from "../org";
import { announce } from "../parts/notices";
import { preference } from "../preferences";
import { conversationsQuery } from "../queries";
import { useFresh } from "../realtime/subscription";
import { topics } from "../realtime/topics";
import { ring } from "../sound";

/** How many wait; whoever begins to wait is said aloud, rung for if wanted, and counted in the tab's title. */
export function useWaiting(place: string): number {
  const org = useOrg();
  useFresh(topics.inbox(org.me.org.id), keys.lists(org.slug));
  const { data } = useInfiniteQuery(conversationsQuery(org, "waiting"));
  const known = useRef<ReadonlySet<string> | null>(null);
  useEffect(() => {
    if (!data) return;
    const waiting = rowsOf(data.pages, "waiting");
    const fresh = newlyWaiting(known.current, waiting);
    known.current = new Set(waiting.map(({ id }) => id));
    if (fresh.length === 0) return;
    announce(`${fresh.map(visitorName).join(", ")} ${fresh.length === 1 ? "waits" : "wait"} for a person.`);
    if (preference("sound")) ring();
  }, [data]);
  const count = data ? rowsOf(data.pages, "waiting").length : 0;
  useEffect(() => {
    document.title = tabTitle(place, org.me.org.name, count);
  }, [place, org, count]);
  return count;
}
