/** The socket's tokens, asked for by way of the cache: a session that has ended shows there, and a server that is away. */
import type { QueryClient } from "@tanstack/react-query";
import type { Credentials } from "@widget/realtime/client";
import type { OrgApi } from "../api";

const KEY = ["socket-token"];
const KEPT_MS = 60_000; // longer than between two attempts to connect

export function socketToken(client: QueryClient, api: Pick<OrgApi, "socketToken">): Promise<Credentials> {
  const asking = client.getMutationCache().build(client, {
    mutationKey: KEY,
    mutationFn: () => api.socketToken(),
    networkMode: "always", // whoever wants to connect decides when
    gcTime: KEPT_MS,
  });
  return asking.execute(undefined);
}

/** What came of the last attempt to get one: null also when there was none. */
export function lastTokenError(client: QueryClient): Error | null {
  const asked = client.getMutationCache().findAll({ mutationKey: KEY });
  return asked.findLast(({ state }) => state.status !== "pending")?.state.error ?? null;
}
