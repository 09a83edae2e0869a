/** Names of everything kept in the query cache. */
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
  documents: (slug: string) => ["org", slug, "documents"] as const,
  document: (slug: string, id: string) => ["org", slug, "document", id] as const,
  passages: (slug: string, id: string) => ["org", slug, "passages", id] as const,
  sites: (slug: string) => ["org", slug, "sites"] as const,
};
