/** How each thing of the knowledge base is read. */
import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { keys } from "../keys";
import type { Org } from "../org";
import type { DocumentKind, PageStatus, Trial } from "./wire";

const SWITCHING_MS = 2_000;
const CHOICES_MS = 60_000;

/** What is read page by page. */
const paged = {
  initialPageParam: null as string | null,
  getNextPageParam: ({ next }: { next?: string | null }) => next ?? null,
};

export function documentsQuery({ slug, api }: Org, kind: DocumentKind | null) {
  return infiniteQueryOptions({
    queryKey: keys.documentsOf(slug, kind),
    queryFn: ({ pageParam, signal }) => api.documents(kind, pageParam, signal),
    ...paged,
  });
}

export function documentQuery({ slug, api }: Org, id: string) {
  return queryOptions({
    queryKey: keys.document(slug, id),
    queryFn: ({ signal }) => api.document(id, signal),
  });
}

export function passagesQuery({ slug, api }: Org, id: string, live_version: number | null) {
  return infiniteQueryOptions({
    queryKey: [...keys.passages(slug, id), live_version],
    queryFn: ({ pageParam, signal }) => api.passages(id, pageParam, signal),
    placeholderData: keepPreviousData,
    ...paged,
  });
}

export function versionsQuery({ slug, api }: Org, id: string) {
  return queryOptions({
    queryKey: keys.versions(slug, id),
    queryFn: ({ signal }) => api.versions(id, signal),
  });
}

export function overridesQuery({ slug, api }: Org, id: string) {
  return queryOptions({
    queryKey: keys.overrides(slug, id),
    queryFn: ({ signal }) => api.overrides(id, signal),
  });
}

/** All labels in use, to choose from. */
export function labelsQuery({ slug, api }: Org) {
  return queryOptions({
    queryKey: keys.labels(slug),
    queryFn: ({ signal }) => api.labels(signal),
    staleTime: CHOICES_MS,
  });
}

export function faqsQuery({ slug, api }: Org, words: string) {
  return infiniteQueryOptions({
    queryKey: keys.faqsWith(slug, words),
    queryFn: ({ pageParam, signal }) => api.faqs(words, pageParam, signal),
    placeholderData: keepPreviousData,
    ...paged,
  });
}

export function crawlsQuery({ slug, api }: Org) {
  return infiniteQueryOptions({
    queryKey: keys.crawls(slug),
    queryFn: ({ pageParam, signal }) => api.crawls(pageParam, signal),
    ...paged,
  });
}

export function crawlQuery({ slug, api }: Org, id: string) {
  return queryOptions({ queryKey: keys.crawl(slug, id), queryFn: ({ signal }) => api.crawl(id, signal) });
}

export function crawlPagesQuery({ slug, api }: Org, id: string, status: PageStatus | null) {
  return infiniteQueryOptions({
    queryKey: keys.crawlPages(slug, id, status),
    queryFn: ({ pageParam, signal }) => api.crawlPages(id, status, pageParam, signal),
    placeholderData: keepPreviousData,
    ...paged,
  });
}

/** Read once for each question: one who comes back from a passage finds the same hits. */
export function trialQuery({ slug, api }: Org, trial: Trial) {
  return queryOptions({
    queryKey: keys.trial(slug, trial),
    queryFn: ({ signal }) => api.search(trial, signal),
    enabled: trial.query !== "",
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  });
}

export function embeddingsQuery({ slug, api }: Org) {
  return queryOptions({
    queryKey: keys.embeddings(slug),
    queryFn: ({ signal }) => api.embeddings(signal),
    refetchInterval: ({ state }) => (state.data?.next_model ? SWITCHING_MS : false),
  });
}

export function sitesQuery({ slug, api }: Org) {
  return queryOptions({
    queryKey: keys.sites(slug),
    queryFn: ({ signal }) => api.sites(signal),
    staleTime: CHOICES_MS,
  });
}
