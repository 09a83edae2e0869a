import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import { useOrg } from "../org";
import { notify } from "../parts/notices";

/** Agents read the knowledge base, owners and administrators change it. */
export function useMayChange(): boolean {
  return useOrg().me.staff.role !== "agent";
}

type Then<Input, Reply> = {
  onDone?: (reply: Reply, input: Input) => void;
  /** A refusal is shown where the change is made, not at the edge of the screen. */
  quiet?: boolean;
};

/** A change on the server: what it makes stale is read again, a refusal is told. */
export function useAct<Input, Reply>(
  act: (input: Input) => Promise<Reply>,
  stale: readonly QueryKey[],
  { onDone, quiet = false }: Then<Input, Reply> = {},
) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: (reply, input) => {
      onDone?.(reply, input);
      for (const queryKey of stale) void client.invalidateQueries({ queryKey });
    },
    onError: (error) => {
      if (!quiet) notify(error.message, { bad: true });
    },
  });
}
