/** How each thing in the cache is read. */
import { infiniteQueryOptions, type QueryClient, queryOptions, skipToken } from "@tanstack/react-query";
import { type Answer, withSnapshot } from "@widget/realtime/answers";
import { accountApi } from "./api";
import { type Outgoing, type Thread, withPage } from "./inbox/thread";
import { keys, orgsKey } from "./keys";
import type { Org } from "./org";
import type { TranscriptPage, View } from "./wire";

const PAGE_FULL = 200;

export const orgsQuery = queryOptions({
  queryKey: orgsKey,
  queryFn: ({ signal }) => accountApi().orgs(signal),
  staleTime: 60_000,
});

export function conversationsQuery({ slug, api }: Org, view: View) {
  return infiniteQueryOptions({
    queryKey: keys.list(slug, view),
    queryFn: ({ pageParam, signal }) => api.conversations(view, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
  });
}

/** Reads on from where the cache ends; what comes is laid into it page by page. */
export function threadQuery(org: Org, id: string) {
  const queryKey = keys.thread(org.slug, id);
  return queryOptions({
    queryKey,
    structuralSharing: false,
    queryFn: async ({ client, signal }): Promise<Thread> => {
      for (;;) {
        const answering = answerOf(client, org, id)?.mid ?? null;
        const after = client.getQueryData<Thread>(queryKey)?.cursor ?? 0;
        const page = await org.api.transcript(id, after, signal);
        const thread = withPage(client.getQueryData<Thread>(queryKey), page);
        if (page.items.length < PAGE_FULL) {
          takeAnswer(client, org, id, page, answering);
          return thread;
        }
        client.setQueryData(queryKey, thread);
      }
    },
  });
}

export function answerQuery({ slug }: Org, id: string) {
  return queryOptions<Answer | null>({
    queryKey: keys.answer(slug, id),
    queryFn: skipToken,
    structuralSharing: false,
  });
}

/** Outlives its screen: what could not be sent is still there when one comes back. */
export function outgoingQuery({ slug }: Org, id: string) {
  return queryOptions<Outgoing[]>({
    queryKey: keys.outgoing(slug, id),
    queryFn: skipToken,
    gcTime: Infinity,
    structuralSharing: false,
  });
}

function answerOf(client: QueryClient, { slug }: Org, id: string): Answer | null {
  return client.getQueryData<Answer | null>(keys.answer(slug, id)) ?? null;
}

/** No answer in the reply ends the one that ran when we asked, not one that began since. */
function takeAnswer(
  client: QueryClient,
  org: Org,
  id: string,
  { answer }: TranscriptPage,
  answering: string | null,
): void {
  const known = answerOf(client, org, id);
  if (answer) {
    org.live.ownsAnswer(id, answer.mid);
    client.setQueryData(keys.answer(org.slug, id), withSnapshot(known, answer));
  } else if (known?.mid === answering) {
    client.setQueryData(keys.answer(org.slug, id), null);
  }
}
