/** The shapes that calls to the knowledge base carry, under short names; the server's schema declares them. */
import type { components } from "@widget/wire.gen";

type Schemas = components["schemas"];

export type Document = Schemas["DocumentView"];
export type DocumentKind = Document["kind"];
export type DocumentStatus = Document["status"];
export type Removed = Schemas["Removed"];
export type Version = Schemas["VersionView"];
export type Passage = Schemas["PassageView"];
export type PassageChange = Schemas["PassageChange"];
export type Override = Schemas["OverrideView"];

export type Trial = Schemas["SearchQuery"];
export type SearchReply = Schemas["SearchReply"];
export type SearchHit = Schemas["SearchHit"];
export type Word = SearchHit["words"][number];
export type Band = SearchReply["band"];
export type Evidence = SearchReply["evidence"];
export type Curated = NonNullable<SearchReply["curated"]>;
export type Embeddings = Schemas["EmbeddingsView"];

export type Faq = Schemas["FaqView"];
export type FaqInput = Omit<Faq, "id" | "updated_at">;
export type ImportReport = Schemas["ImportReply"];
export type ImportRow = ImportReport["rows"][number];
export type ImportOutcome = ImportRow["outcome"];

export type Crawl = Schemas["CrawlView"];
export type CrawlKind = Crawl["kind"];
export type CrawlStatus = Crawl["status"];
export type Schedule = Crawl["schedule"];
export type CrawlInput = Pick<
  Crawl,
  "url" | "kind" | "depth" | "pages_max" | "delay_ms" | "schedule" | "labels"
>;
export type CrawlChange = Schemas["CrawlChange"];
export type CrawlPage = Schemas["CrawlPageView"];
export type PageStatus = CrawlPage["status"];

export type Site = Schemas["SiteDetails"];

const PAGE_STATUSES: readonly unknown[] = ["waiting", "fetched", "unchanged", "skipped", "failed", "gone"];

export function isPageStatus(value: unknown): value is PageStatus {
  return PAGE_STATUSES.includes(value);
}
