import { useMutation, useQueryClient } from "@tanstack/react-query";
import { keys } from "../keys";
import { useOrg } from "../org";
import { notify } from "../parts/notices";
import type { PersonaState } from "./wire";

/** Changes how the bot speaks: the reply is what is shown from then on, after a refusal it is read again. */
export function usePersonaAct(act: () => Promise<PersonaState>, done: string, onDone: () => void) {
  const { slug } = useOrg();
  const client = useQueryClient();
  const queryKey = keys.persona(slug);
  return useMutation({
    mutationFn: () => act(),
    onSuccess: (state) => {
      client.setQueryData(queryKey, state);
      notify(done);
      onDone();
    },
    onError: () => void client.invalidateQueries({ queryKey }),
  });
}
