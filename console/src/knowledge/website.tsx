/** A website page by page: how each fared when it was last read. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ChevronLeft } from "lucide-react";
import { keys } from "../keys";
import { useOrg } from "../org";
import { Chip } from "../parts/chip";
import { cx } from "../parts/cx";
import { More } from "../parts/more";
import { useNow } from "../parts/now";
import { Segments } from "../parts/segments";
import { Failed, Loading } from "../parts/states";
import { useFresh } from "../realtime/subscription";
import { topics } from "../realtime/topics";
import { age, fullTime } from "../times";
import { PAGE_STATUS_ORDER, PAGE_STATUSES } from "./crawl-draft";
import { CrawlActs, CrawlFacts } from "./crawl-parts";
import { crawlPagesQuery, crawlQuery } from "./queries";
import type { Crawl, CrawlPage, PageStatus } from "./wire";

const route = getRouteApi("/$slug/knowledge/websites/$crawlId");

export function WebsiteScreen() {
  const org = useOrg();
  const { crawlId } = route.useParams();
  const { data: crawl, error, refetch } = useQuery(crawlQuery(org, crawlId));
  useFresh(topics.knowledge(org.me.org.id), keys.crawl(org.slug, crawlId));
  return (
    <section aria-label="Website" className="h-full overflow-y-auto">
      <div className="mx-auto max-w-5xl px-4 pb-8 md:px-6">
        <Link
          to="/$slug/knowledge/websites"
          params={{ slug: org.slug }}
          className="inline-flex items-center gap-1 py-3 font-medium text-accent-strong hover:underline"
        >
          <ChevronLeft size={16} aria-hidden /> Websites
        </Link>
        {crawl && <Head crawl={crawl} />}
        {crawl && <Pages crawl={crawl} />}
        {!crawl &&
          (error ? (
            <Failed error={error} onRetry={() => void refetch()} />
          ) : (
            <Loading label="Loading the website" />
          ))}
      </div>
    </section>
  );
}

function Head({ crawl }: { crawl: Crawl }) {
  const { slug } = useOrg();
  const navigate = route.useNavigate();
  const now = useNow();
  return (
    <header className="mb-4 rounded-2xl border border-line bg-surface p-4 shadow-raised">
      <div className="flex flex-wrap items-start gap-x-3 gap-y-2">
        <h2 className="min-w-0 flex-1 basis-56 pt-0.5 text-lg font-semibold wrap-anywhere">{crawl.url}</h2>
        <CrawlActs
          crawl={crawl}
          onRemoved={() => void navigate({ to: "/$slug/knowledge/websites", params: { slug } })}
        />
      </div>
      <CrawlFacts crawl={crawl} now={now} />
    </header>
  );
}

function Pages({ crawl }: { crawl: Crawl }) {
  const { status = null } = route.useSearch();
  const navigate = route.useNavigate();
  const list = useInfiniteQuery(crawlPagesQuery(useOrg(), crawl.id, status));
  const counted = PAGE_STATUS_ORDER.filter((each) => crawl.counts[each] > 0 || each === status);
  const all = PAGE_STATUS_ORDER.reduce((total, each) => total + crawl.counts[each], 0);
  const choices: { value: PageStatus | null; name: string }[] = [
    { value: null, name: `All ${all.toLocaleString()}` },
    ...counted.map((value) => ({
      value,
      name: `${PAGE_STATUSES[value].name} ${crawl.counts[value].toLocaleString()}`,
    })),
  ];
  return (
    <>
      <div className="mb-2">
        <Segments
          label="Pages"
          value={status}
          options={choices}
          onChange={(next) => void navigate({ search: next === null ? {} : { status: next }, replace: true })}
        />
      </div>
      {!list.data &&
        (list.error ? (
          <Failed error={list.error} onRetry={() => void list.refetch()} />
        ) : (
          <Loading label="Loading pages" />
        ))}
      {list.data && (
        <PageList pages={list.data.pages.flatMap((page) => page.items)} faded={list.isPlaceholderData} />
      )}
      <More list={list} />
    </>
  );
}

function PageList({ pages, faded }: { pages: CrawlPage[]; faded: boolean }) {
  const now = useNow();
  if (pages.length === 0) return <p className="p-4 text-soft">No pages here.</p>;
  return (
    <ul
      aria-label="Pages"
      className={cx(
        "overflow-hidden rounded-2xl border border-line bg-surface shadow-raised",
        faded && "opacity-60",
      )}
    >
      {pages.map((page) => (
        <PageRow key={page.url} page={page} now={now} />
      ))}
    </ul>
  );
}

function PageRow({ page, now }: { page: CrawlPage; now: number }) {
  const { name, tone } = PAGE_STATUSES[page.status];
  return (
    <li className="flex items-start gap-3 border-b border-line px-4 py-2.5 last:border-b-0">
      <div className="min-w-0 flex-1">
        <PageAddress page={page} />
        {page.error && (
          <p className={cx("text-xs", page.status === "failed" ? "text-bad" : "text-soft")}>
            {page.error.message} <code className="font-mono">{page.error.code}</code>
            {page.http_status !== null && page.http_status >= 400 && ` · HTTP ${page.http_status}`}
          </p>
        )}
      </div>
      {page.fetched_at && (
        <time
          dateTime={page.fetched_at}
          title={fullTime(page.fetched_at)}
          className="hidden pt-0.5 text-xs text-soft sm:block"
        >
          {age(Date.parse(page.fetched_at), now)}
        </time>
      )}
      <Chip tone={tone}>{name}</Chip>
    </li>
  );
}

function PageAddress({ page: { url, document_id } }: { page: CrawlPage }) {
  const { slug } = useOrg();
  if (document_id === null) return <p className="wrap-anywhere">{url}</p>;
  return (
    <Link
      to="/$slug/knowledge/$documentId"
      params={{ slug, documentId: document_id }}
      className="wrap-anywhere hover:text-accent-strong hover:underline"
    >
      {url}
    </Link>
  );
}
