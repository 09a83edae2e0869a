/** What is shown of a website wherever it stands: how its reading goes, what can be done with it. */
import { Pencil, Play, Trash2 } from "lucide-react";
import { useState } from "react";
import { keys } from "../keys";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { Chip } from "../parts/chip";
import { cx } from "../parts/cx";
import { Ask } from "../parts/dialog";
import { Menu, MenuItem } from "../parts/menu";
import { notify } from "../parts/notices";
import { age, fullTime } from "../times";
import { useAct, useMayChange } from "./acting";
import { CrawlForm } from "./crawl-form";
import { crawlProgress, pagesKnown, SCHEDULES, scopeOf, STATUSES } from "./crawl-draft";
import { LabelChips } from "./label-editor";
import { Radio } from "./radio";
import type { Crawl } from "./wire";
import { counted, uncapitalised } from "./words";

export function CrawlFacts({ crawl, now }: { crawl: Crawl; now: number }) {
  const { counts, finished_at, next_at, schedule } = crawl;
  const parts = [
    scopeOf(crawl),
    ...(finished_at ? [`read ${ago(finished_at, now)}`] : []),
    uncapitalised(SCHEDULES.find(({ value }) => value === schedule)?.name ?? schedule),
    ...(next_at && Date.parse(next_at) > now ? [`next ${fullTime(next_at)}`] : []),
  ];
  return (
    <>
      <p className="mt-1 text-xs text-soft">{parts.join(" · ")}</p>
      <div className="mt-1.5 flex flex-wrap items-center gap-1.5">
        <Chip tone={STATUSES[crawl.status].tone}>{STATUSES[crawl.status].name}</Chip>
        {pagesKnown(crawl) > 0 && <Chip>{counted(pagesKnown(crawl), "page")}</Chip>}
        {counts.failed > 0 && <Chip tone="bad">{counts.failed} failed</Chip>}
        {counts.gone > 0 && <Chip tone="warn">{counts.gone} gone</Chip>}
        {counts.skipped > 0 && <Chip>{counts.skipped} left out</Chip>}
        <LabelChips labels={crawl.labels} />
      </div>
      <Reading crawl={crawl} />
      {crawl.error && (
        <p
          className={cx(
            "mt-2 rounded-lg px-3 py-2",
            crawl.status === "failed" ? "bg-bad-tint text-bad" : "bg-warn-tint text-warn",
          )}
        >
          {crawl.error.message} <code className="font-mono text-xs">{crawl.error.code}</code>
        </p>
      )}
    </>
  );
}

function Reading({ crawl }: { crawl: Crawl }) {
  if (crawl.status !== "running") return null;
  const share = crawlProgress(crawl);
  return (
    <div className="mt-2 flex items-center gap-3">
      <progress
        {...(share !== null ? { value: share } : {})}
        max={1}
        aria-label={`Progress of ${crawl.url}`}
        className={cx("progress min-w-0 flex-1", share === null && "pulse")}
      />
      <span className="text-xs text-soft tabular-nums">{crawl.counts.waiting.toLocaleString()} waiting</span>
    </div>
  );
}

export function CrawlActs({ crawl, onRemoved }: { crawl: Crawl; onRemoved?: () => void }) {
  const { api, slug } = useOrg();
  const mayChange = useMayChange();
  const [opened, setOpened] = useState<"form" | "delete" | null>(null);
  const stale = [keys.crawls(slug), keys.crawl(slug, crawl.id)];
  const run = useAct(() => api.runCrawl(crawl.id), stale, {
    onDone: () => notify("The website is read again."),
  });
  const busy = crawl.status === "queued" || crawl.status === "running";
  if (!mayChange) return null;
  return (
    <div className="flex shrink-0 items-center">
      <Button disabled={busy || run.isPending} onClick={() => run.mutate(undefined)}>
        <Play size={14} aria-hidden /> {busy ? "Reading…" : "Read now"}
      </Button>
      <Menu label={`More about ${crawl.url}`} className="-mr-2">
        <MenuItem icon={Pencil} onSelect={() => setOpened("form")}>
          Edit
        </MenuItem>
        <MenuItem icon={Trash2} danger onSelect={() => setOpened("delete")}>
          Delete
        </MenuItem>
      </Menu>
      {opened === "form" && <CrawlForm crawl={crawl} onClose={() => setOpened(null)} />}
      {opened === "delete" && (
        <CrawlRemoval crawl={crawl} onClose={() => setOpened(null)} {...(onRemoved && { onRemoved })} />
      )}
    </div>
  );
}

type CrawlRemovalProps = { crawl: Crawl; onClose: () => void; onRemoved?: () => void };

function CrawlRemoval({ crawl, onClose, onRemoved = onClose }: CrawlRemovalProps) {
  const { api, slug } = useOrg();
  const [keep, setKeep] = useState(false);
  const stale = [keys.crawls(slug), keys.documents(slug), keys.trials(slug)];
  const remove = useAct(() => api.removeCrawl(crawl.id, keep), stale, {
    quiet: true,
    onDone: ({ documents }) => {
      notify(
        keep
          ? "The website was deleted; its pages stay."
          : `The website was deleted, and ${counted(documents, "page")} with it.`,
      );
      onRemoved();
    },
  });
  const choices = [
    { keeps: false, name: "Delete its pages too", hint: "The bot stops answering from them at once." },
    { keeps: true, name: "Keep its pages", hint: "They stay documents, and are not read again." },
  ];
  return (
    <Ask
      title="Delete this website?"
      about={crawl.url}
      action={remove.isPending ? "Deleting…" : "Delete website"}
      danger
      busy={remove.isPending}
      problem={remove.error?.message ?? null}
      onClose={onClose}
      onConfirm={() => remove.mutate(undefined)}
    >
      <fieldset className="mt-4 space-y-2">
        <legend className="sr-only">{counted(pagesKnown(crawl), "page")}</legend>
        {choices.map(({ keeps, name, hint }) => (
          <Radio
            key={name}
            group="keep"
            name={name}
            hint={hint}
            checked={keep === keeps}
            onChoose={() => setKeep(keeps)}
          />
        ))}
      </fieldset>
    </Ask>
  );
}

function ago(at: string, now: number): string {
  const passed = age(Date.parse(at), now);
  return passed === "now" ? "just now" : `${passed} ago`;
}
