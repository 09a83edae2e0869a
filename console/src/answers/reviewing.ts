/** Marks an answer as checked, corrects it, takes either back; the conversation shows it at once. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ApiError } from "../api";
import { readAgain, withThread } from "../inbox/actions";
import { withMessage } from "../inbox/thread";
import { keys } from "../keys";
import { useOrg } from "../org";
import { notify } from "../parts/notices";
import type { Message } from "../wire";

export type Review = { kind: "checked" } | { kind: "corrected"; text: string } | { kind: "withdrawn" };

/** With `quiet` a refusal is shown where the change is made, not at the edge of the screen. */
export function useReview({ id, conversation_id }: Message, { quiet = false } = {}) {
  const org = useOrg();
  const client = useQueryClient();
  return useMutation({
    mutationFn: (review: Review) =>
      review.kind === "withdrawn" ? org.api.withdrawReview(id) : org.api.review(id, review),
    onSuccess: (message) => {
      withThread(client, org, conversation_id, (thread) => withMessage(thread, message));
      void client.invalidateQueries({ queryKey: keys.trace(org.slug, id) });
      void client.invalidateQueries({ queryKey: keys.affected(org.slug, id) });
      void client.invalidateQueries({ queryKey: keys.lists(org.slug) });
    },
    onError: (error) => {
      if (!quiet) notify(error.message, { bad: true });
      if (error instanceof ApiError && error.retry === "refetch") readAgain(client, org, conversation_id);
    },
  });
}
