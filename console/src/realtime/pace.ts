/** How soon and how often each thing in the cache is read anew, however many signals come. */
import type { QueryKey } from "@tanstack/react-query";
import type { keys } from "../keys";

/** A figure over time says nothing new within this. */
export const CHART_MS = 5_000;
/** Rows that change by the hundred while an import or a crawl runs. */
export const TABLE_MS = 1_000;
/** What somebody waits for. */
export const COUNTER_MS = 400;

type Pace = "counter" | "table" | "chart";

/** The word after the organisation in a key. */
type Kind = ReturnType<(typeof keys)[Exclude<keyof typeof keys, "all">]>[2];

const PACES: Record<Kind, Pace> = {
  conversations: "counter", // the inbox and its badges
  thread: "counter",
  answer: "counter",
  outgoing: "counter",
  trace: "counter",
  affected: "table",
  documents: "table",
  document: "counter", // one looks at it
  labels: "table",
  faqs: "table",
  crawls: "table",
  crawl: "table",
  trial: "table",
  embeddings: "chart",
  budget: "chart",
  persona: "counter",
  models: "counter",
  sites: "table",
  me: "counter",
};

const EVERY_MS: Record<Pace, number> = { counter: COUNTER_MS, table: TABLE_MS, chart: CHART_MS };

/** The least time between two readings of `key`; what has no row here is read as a table is. */
export function everyMs(key: QueryKey): number {
  const pace = PACES[key[2] as Kind] as Pace | undefined;
  return EVERY_MS[pace ?? "table"];
}
