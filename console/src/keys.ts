/** Names of everything kept in the query cache. */
import type { DocumentKind, PageStatus, Trial } from "./knowledge/wire";
import type { View } from "./wire";

export const orgsKey = ["orgs"] as const;

export const keys = {
  all: (slug: string) => ["org", slug] as const,
  me: (slug: string) => ["org", slug, "me"] as const,
  lists: (slug: string) => ["org", slug, "conversations"] as const,
  list: (slug: string, view: View) => ["org", slug, "conversations", view] as const,
  thread: (slug: string, id: string) => ["org", slug, "thread", id] as const,
  /** Kept by us alone, never fetched. */
  answer: (slug: string, id: string) => ["org", slug, "answer", id] as const,
  outgoing: (slug: string, id: string) => ["org", slug, "outgoing", id] as const,
  trace: (slug: string, mid: string) => ["org", slug, "trace", mid] as const,
  affected: (slug: string, mid: string) => ["org", slug, "affected", mid] as const,
  persona: (slug: string) => ["org", slug, "persona"] as const,
  models: (slug: string) => ["org", slug, "models"] as const,
  budget: (slug: string) => ["org", slug, "budget"] as const,
  documents: (slug: string) => ["org", slug, "documents"] as const,
  documentsOf: (slug: string, kind: DocumentKind | null) => ["org", slug, "documents", kind] as const,
  document: (slug: string, id: string) => ["org", slug, "document", id] as const,
  passages: (slug: string, id: string) => ["org", slug, "document", id, "passages"] as const,
  versions: (slug: string, id: string) => ["org", slug, "document", id, "versions"] as const,
  overrides: (slug: string, id: string) => ["org", slug, "document", id, "overrides"] as const,
  labels: (slug: string) => ["org", slug, "labels"] as const,
  faqs: (slug: string) => ["org", slug, "faqs"] as const,
  faqsWith: (slug: string, words: string) => ["org", slug, "faqs", words] as const,
  crawls: (slug: string) => ["org", slug, "crawls"] as const,
  crawl: (slug: string, id: string) => ["org", slug, "crawl", id] as const,
  crawlPages: (slug: string, id: string, status: PageStatus | null) =>
    ["org", slug, "crawl", id, "pages", status] as const,
  trial: (slug: string, trial: Trial) => ["org", slug, "trial", trial] as const,
  trials: (slug: string) => ["org", slug, "trial"] as const,
  embeddings: (slug: string) => ["org", slug, "embeddings"] as const,
  sites: (slug: string) => ["org", slug, "sites"] as const,
};
