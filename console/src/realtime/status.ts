/** How the live connection is, for whoever shows it. */
import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import type { Stats } from "@widget/realtime/client";
import { useCallback, useSyncExternalStore } from "react";
import { ApiError } from "../http";
import { type Connection, connectionOf } from "./connection";
import { useLive } from "./provider";
import { lastTokenError } from "./token";

/** `events` heard since the page was loaded, `lastEventAt` in ms since 1970, `lastError` with its code, topics that are `paused`. */
export type ConnectionStatus = Stats & { reconnect: () => void };

export function useConnectionStatus(): ConnectionStatus {
  const { realtime } = useLive();
  const stats = useSyncExternalStore(
    useCallback((changed) => realtime.onStats(changed), [realtime]),
    () => realtime.stats(),
  );
  const reconnect = useCallback(() => realtime.reconnect(), [realtime]);
  return { ...stats, reconnect };
}

/** The same in the words of people: a server that answers no call is offline, whatever the socket says. */
export function useConnection(): Connection {
  const { realtime } = useLive();
  const reachable = useReachable();
  return useSyncExternalStore(
    useCallback((changed) => realtime.onStats(changed), [realtime]),
    () => connectionOf(realtime.stats(), reachable),
  );
}

function useReachable(): boolean {
  const client = useQueryClient();
  const online = useSyncExternalStore(watchNetwork, () => navigator.onLine);
  const answers = useSyncExternalStore(
    useCallback((changed) => watchCalls(client, changed), [client]),
    () => !lastErrors(client).some(isUnreachable),
  );
  return online && answers;
}

function watchCalls(client: QueryClient, changed: () => void): () => void {
  const stops = [client.getQueryCache().subscribe(changed), client.getMutationCache().subscribe(changed)];
  return () => stops.forEach((stop) => stop());
}

/** Of what is on screen, also while it is tried again, and of the socket's token. */
function lastErrors(client: QueryClient): (Error | null)[] {
  const shown = client.getQueryCache().findAll({ type: "active" });
  const reads = shown.map(({ state }) => state.fetchFailureReason ?? state.error);
  return [...reads, lastTokenError(client)];
}

function isUnreachable(error: Error | null): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status >= 502);
}

function watchNetwork(changed: () => void): () => void {
  const ending = new AbortController();
  for (const event of ["online", "offline"]) {
    window.addEventListener(event, changed, { signal: ending.signal });
  }
  return () => ending.abort();
}
