/** What staff do to a conversation, and what they say in it. */
import { type QueryClient, useMutation, useQueryClient } from "@tanstack/react-query";
import { ApiError } from "../api";
import { mayRetry, retryDelay } from "../cache";
import { keys } from "../keys";
import { type Org, useOrg } from "../org";
import { notify } from "../parts/notices";
import type { Conversation, Message } from "../wire";
import {
  type Outgoing,
  type Thread,
  withConversation,
  withMessage,
  withOutgoing,
  withoutOutgoing,
} from "./thread";

export type Act = "take" | "release" | "close";

/** Takes over, hands back or closes; who comes too late is told who was first. */
export function useAct(id: string) {
  const org = useOrg();
  const client = useQueryClient();
  return useMutation({
    mutationFn: (act: Act) => org.api[act](id),
    onSuccess: (conversation) => {
      withThread(client, org, id, (thread) => withConversation(thread, conversation));
      readAgain(client, org, id);
    },
    onError: (error) => {
      notify(error.message, { bad: true });
      if (error instanceof ApiError && error.retry === "refetch") readAgain(client, org, id);
    },
  });
}

/** Which acts a person may do now. Pure. */
export function actsFor({ state, handoff }: Conversation, staff_id: string): Act[] {
  if (state === "closed") return [];
  if (state !== "staff") return ["take", "close"];
  return handoff?.taken_by?.id === staff_id ? ["release", "close"] : [];
}

/** Sends in order; the message is on screen at once and is replaced by the stored one. */
export function useSay(id: string) {
  const org = useOrg();
  const client = useQueryClient();
  const outgoing = keys.outgoing(org.slug, id);
  const change = (next: (sent: Outgoing[]) => Outgoing[]): void => {
    client.setQueryData<Outgoing[]>(outgoing, (sent) => next(sent ?? []));
  };
  const { mutate } = useMutation({
    mutationFn: ({ client_id, text, visibility }: Outgoing) =>
      org.api.say(id, { client_id, text, visibility }),
    scope: { id: `say:${id}` },
    retry: mayRetry,
    retryDelay,
    onMutate: (sent) => change((all) => withOutgoing(all, { ...sent, problem: null })),
    onSuccess: (message, { client_id }) => {
      withThread(client, org, id, (thread) => withMessage(thread, message));
      change((all) => withoutOutgoing(all, client_id));
    },
    onError: (error, sent) => {
      change((all) => withOutgoing(all, { ...sent, problem: error.message }));
      if (error instanceof ApiError && error.retry === "refetch") readAgain(client, org, id);
    },
  });
  return {
    say: (text: string, visibility: Message["visibility"]) =>
      mutate({
        client_id: crypto.randomUUID(),
        text,
        visibility,
        at: new Date().toISOString(),
        problem: null,
      }),
    again: (sent: Outgoing) => mutate(sent),
    discard: ({ client_id }: Outgoing) => change((all) => withoutOutgoing(all, client_id)),
  };
}

/** Changes what is known of a conversation, if anything is. */
export function withThread(
  client: QueryClient,
  { slug }: Org,
  id: string,
  next: (thread: Thread) => Thread,
): void {
  client.setQueryData<Thread>(keys.thread(slug, id), (thread) => thread && next(thread));
}

export function readAgain(client: QueryClient, { slug }: Org, id: string): void {
  void client.invalidateQueries({ queryKey: keys.thread(slug, id) });
  void client.invalidateQueries({ queryKey: keys.lists(slug) });
}
