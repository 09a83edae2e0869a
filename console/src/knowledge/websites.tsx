/** Websites whose pages are read into the knowledge base. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Globe, Plus } from "lucide-react";
import { useState } from "react";
import { keys } from "../keys";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { More } from "../parts/more";
import { useNow } from "../parts/now";
import { Empty, Failed, Loading } from "../parts/states";
import { useFresh } from "../realtime/subscription";
import { topics } from "../realtime/topics";
import { useMayChange } from "./acting";
import { CrawlForm } from "./crawl-form";
import { CrawlActs, CrawlFacts } from "./crawl-parts";
import { crawlsQuery } from "./queries";
import type { Crawl } from "./wire";

export function WebsitesScreen() {
  const org = useOrg();
  const mayChange = useMayChange();
  const [adding, setAdding] = useState(false);
  useFresh(topics.knowledge(org.me.org.id), keys.crawls(org.slug));
  return (
    <section aria-label="Websites" className="h-full overflow-y-auto">
      <div className="mx-auto max-w-5xl px-4 pb-6 md:px-6">
        <header className="flex flex-wrap items-center gap-3 py-4">
          <p className="min-w-60 flex-1 text-soft">
            Pages that are read from the web, and read again when they change.
          </p>
          {mayChange && (
            <Button tone="primary" onClick={() => setAdding(true)}>
              <Plus size={16} aria-hidden /> Add a website
            </Button>
          )}
        </header>
        <CrawlList />
      </div>
      {adding && <CrawlForm crawl={null} onClose={() => setAdding(false)} />}
    </section>
  );
}

function CrawlList() {
  const mayChange = useMayChange();
  const now = useNow();
  const list = useInfiniteQuery(crawlsQuery(useOrg()));
  if (!list.data) {
    if (list.error) return <Failed error={list.error} onRetry={() => void list.refetch()} />;
    return <Loading label="Loading websites" rows={3} />;
  }
  const crawls = list.data.pages.flatMap((page) => page.items);
  if (crawls.length === 0) {
    return (
      <div className="h-72">
        <Empty icon={Globe} title="No websites yet">
          {mayChange
            ? "Add your help pages or your shop: their text is read, kept up to date and quoted with a link."
            : "An administrator can add some."}
        </Empty>
      </div>
    );
  }
  return (
    <>
      <ul className="space-y-3">
        {crawls.map((crawl) => (
          <CrawlCard key={crawl.id} crawl={crawl} now={now} />
        ))}
      </ul>
      <More list={list} />
    </>
  );
}

function CrawlCard({ crawl, now }: { crawl: Crawl; now: number }) {
  const { slug } = useOrg();
  return (
    <li className="rounded-2xl border border-line bg-surface px-4 py-3 shadow-raised">
      <div className="flex flex-wrap items-start gap-x-3 gap-y-2">
        <Link
          to="/$slug/knowledge/websites/$crawlId"
          params={{ slug, crawlId: crawl.id }}
          className="min-w-0 flex-1 basis-56 pt-1.5 font-medium wrap-anywhere hover:text-accent-strong hover:underline"
        >
          {crawl.url}
        </Link>
        <CrawlActs crawl={crawl} />
      </div>
      <CrawlFacts crawl={crawl} now={now} />
    </li>
  );
}
