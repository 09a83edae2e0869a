/** A website to read, while it is described; and how its reading goes, in words. Pure. */
import { type ChipTone } from "../parts/chip";
import { draftOf, type LabelDraft, settled } from "./labels";
import type { Crawl, CrawlInput, CrawlKind, CrawlStatus, PageStatus, Schedule } from "./wire";

export const DEPTH_MAX = 5;
export const PAGES_MAX = 1_000;
export const URL_CHARS_MAX = 2_000;
const DELAY_MS = 1_000;

export type CrawlDraft = {
  url: string;
  kind: CrawlKind;
  /** Figures as they are typed. */
  depth: string;
  pages_max: string;
  delay_ms: number;
  schedule: Schedule;
  labels: LabelDraft;
};

export type CrawlProblems = Partial<Record<"url" | "depth" | "pages_max", string>>;

export const KINDS: readonly { value: CrawlKind; name: string; hint: string }[] = [
  { value: "site", name: "A whole website", hint: "The page and what its links lead to below it." },
  { value: "sitemap", name: "A sitemap", hint: "The pages that an XML sitemap lists." },
  { value: "page", name: "One page", hint: "This page and no other." },
];

export const SCHEDULES: readonly { value: Schedule; name: string }[] = [
  { value: "weekly", name: "Every week" },
  { value: "daily", name: "Every day" },
  { value: "never", name: "Only on request" },
];

export const STATUSES: Record<CrawlStatus, { name: string; tone: ChipTone }> = {
  queued: { name: "Queued", tone: "plain" },
  running: { name: "Reading", tone: "accent" },
  done: { name: "Done", tone: "good" },
  failed: { name: "Failed", tone: "bad" },
};

export const PAGE_STATUSES: Record<PageStatus, { name: string; tone: ChipTone }> = {
  waiting: { name: "Waiting", tone: "plain" },
  fetched: { name: "Read", tone: "good" },
  unchanged: { name: "Unchanged", tone: "good" },
  skipped: { name: "Left out", tone: "plain" },
  failed: { name: "Failed", tone: "bad" },
  gone: { name: "Gone", tone: "warn" },
};
export const PAGE_STATUS_ORDER: readonly PageStatus[] = [
  "failed",
  "fetched",
  "unchanged",
  "skipped",
  "gone",
  "waiting",
];

export function crawlDraft(crawl: CrawlInput | null): CrawlDraft {
  return {
    url: crawl?.url ?? "",
    kind: crawl?.kind ?? "site",
    depth: `${crawl?.depth ?? 3}`,
    pages_max: `${crawl?.pages_max ?? 200}`,
    delay_ms: crawl?.delay_ms ?? DELAY_MS,
    schedule: crawl?.schedule ?? "weekly",
    labels: draftOf(crawl?.labels ?? []),
  };
}

/** An address without a scheme is taken for https. */
export function crawlInput(draft: CrawlDraft): CrawlInput {
  const { url, kind, depth, pages_max, delay_ms, schedule, labels } = draft;
  return {
    url: absolute(url),
    kind,
    depth: kind === "site" ? Number(depth) : 0,
    pages_max: kind === "page" ? 1 : Number(pages_max),
    delay_ms,
    schedule,
    labels: [...settled(labels).labels],
  };
}

export function crawlProblems({ url, kind, depth, pages_max }: CrawlDraft): CrawlProblems {
  return {
    ...(!isAddress(absolute(url)) && {
      url: "Give the address of a public web page, such as https://example.com.",
    }),
    ...(kind === "site" &&
      !isWhole(depth, 0, DEPTH_MAX) && { depth: `A whole number from 0 to ${DEPTH_MAX}.` }),
    ...(kind !== "page" &&
      !isWhole(pages_max, 1, PAGES_MAX) && {
        pages_max: `A whole number from 1 to ${PAGES_MAX.toLocaleString()}.`,
      }),
  };
}

/** How far a run is, from 0 to 1; null while nothing is known. */
export function crawlProgress({ status, counts }: Crawl): number | null {
  if (status !== "running") return null;
  const read = counts.fetched + counts.unchanged + counts.skipped + counts.failed;
  const all = read + counts.waiting;
  return all === 0 ? null : read / all;
}

/** Pages that the bot answers from. */
export function pagesKnown({ counts }: Crawl): number {
  return counts.fetched + counts.unchanged;
}

/** What a crawl reads, in a few words. */
export function scopeOf({ kind, depth, pages_max }: Crawl): string {
  switch (kind) {
    case "page":
      return "One page";
    case "sitemap":
      return `Sitemap, at most ${pages_max.toLocaleString()} pages`;
    case "site":
      return `Website, ${depth} ${depth === 1 ? "link" : "links"} deep, at most ${pages_max.toLocaleString()} pages`;
  }
}

function absolute(url: string): string {
  const trimmed = url.trim();
  return trimmed === "" || /^[a-z][a-z0-9+.-]*:/i.test(trimmed) ? trimmed : `https://${trimmed}`;
}

function isAddress(url: string): boolean {
  if (url.length > URL_CHARS_MAX || !/^https?:\/\//i.test(url)) return false;
  if (!URL.canParse(url)) return false;
  // Whether this machine's own addresses may be read (in the demo they may) the service decides.
  const { hostname, port } = new URL(url);
  return hostname.includes(".") || (hostname === "localhost" && port !== "");
}

function isWhole(typed: string, least: number, most: number): boolean {
  return /^\d+$/.test(typed.trim()) && Number(typed) >= least && Number(typed) <= most;
}
