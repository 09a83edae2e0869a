/** The query cache: what is tried again, and what happens when the session has ended. */
import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { ApiError } from "./api";

const TRIES_MAX = 3;
const WAIT_MS_MAX = 15_000;
const KEPT_MS = 30 * 60_000; // conversations left a while ago open at once

export function makeCache(signedOut: () => void): QueryClient {
  const onError = (error: Error): void => {
    if (error instanceof ApiError && error.status === 401) signedOut();
  };
  return new QueryClient({
    queryCache: new QueryCache({ onError }),
    mutationCache: new MutationCache({ onError }),
    defaultOptions: {
      queries: { retry: mayRetry, retryDelay, gcTime: KEPT_MS, refetchOnWindowFocus: true },
    },
  });
}

/** Only what the server, or the lack of one, says may pass. */
export function mayRetry(tried: number, error: Error): boolean {
  return error instanceof ApiError && error.retry === "backoff" && tried < TRIES_MAX;
}

export function retryDelay(tried: number, error: Error): number {
  const asked = error instanceof ApiError ? (error.retry_after_s ?? 0) * 1000 : 0;
  return Math.min(Math.max(asked, 1000 * 2 ** tried), WAIT_MS_MAX);
}
