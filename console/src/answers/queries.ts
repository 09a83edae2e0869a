/** How an answer's trace, and who else was answered from the same passage, are read. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { keys } from "../keys";
import type { Org } from "../org";

export function traceQuery({ slug, api }: Org, mid: string) {
  return queryOptions({ queryKey: keys.trace(slug, mid), queryFn: ({ signal }) => api.trace(mid, signal) });
}

export function affectedQuery({ slug, api }: Org, mid: string) {
  return infiniteQueryOptions({
    queryKey: keys.affected(slug, mid),
    queryFn: ({ pageParam, signal }) => api.affected(mid, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
  });
}
