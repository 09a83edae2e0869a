/** How each thing about the bot is read. */
import { queryOptions } from "@tanstack/react-query";
import { keys } from "../keys";
import type { Org } from "../org";

export function personaQuery({ slug, api }: Org) {
  return queryOptions({ queryKey: keys.persona(slug), queryFn: ({ signal }) => api.persona(signal) });
}

export function modelsQuery({ slug, api }: Org) {
  return queryOptions({ queryKey: keys.models(slug), queryFn: ({ signal }) => api.models(signal) });
}

export function budgetQuery({ slug, api }: Org) {
  return queryOptions({ queryKey: keys.budget(slug), queryFn: ({ signal }) => api.budget(signal) });
}
