import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { keys } from "../keys";
import { useConnectionStatus, useOrg } from "../org";

const FIRST_MS = 3_000;
const LAST_MS = 30_000;
const GROWTH = 1.5;
const LIVE_MS = 120_000; // even a live connection may lie

/** The wait before reading `n` (from 0): slower each time, and slow at once where nobody looks. */
export function pollAfter(n: number, live: boolean, hidden: boolean): number {
  if (live) return LIVE_MS;
  return hidden ? LAST_MS : Math.min(FIRST_MS * GROWTH ** n, LAST_MS);
}

/** Reads what is on screen again and again: seldom while live, often while the socket is away. */
export function usePolling(): void {
  const client = useQueryClient();
  const { slug } = useOrg();
  const live = useConnectionStatus() === "connected";
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const plan = (n: number): void => {
      timer = setTimeout(
        () => {
          void client.invalidateQueries({ queryKey: keys.all(slug), predicate: (query) => query.isActive() });
          plan(n + 1);
        },
        pollAfter(n, live, document.hidden),
      );
    };
    plan(0);
    return () => clearTimeout(timer);
  }, [client, slug, live]);
}
