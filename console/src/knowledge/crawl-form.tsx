import { keys } from "../keys";
import { useOrg } from "../org";
import { SelectField, TextField } from "../parts/field";
import { notify } from "../parts/notices";
import { useAct } from "./acting";
import {
  type CrawlDraft,
  crawlDraft,
  crawlInput,
  crawlProblems,
  DEPTH_MAX,
  KINDS,
  PAGES_MAX,
  SCHEDULES,
  URL_CHARS_MAX,
} from "./crawl-draft";
import { LabelEditor } from "./label-editor";
import { audience } from "./labels";
import { Radio } from "./radio";
import { SheetForm, useDraft } from "./sheet-form";
import type { Crawl } from "./wire";

/** Describes a website to read, a new one or `crawl` anew (its address stays); stands only while it is open. */
export function CrawlForm({ crawl, onClose }: { crawl: Crawl | null; onClose: () => void }) {
  const { api, slug } = useOrg();
  const { draft, change, problems, check } = useDraft(() => crawlDraft(crawl), crawlProblems);
  const stale = [keys.crawls(slug), keys.labels(slug), ...(crawl ? [keys.crawl(slug, crawl.id)] : [])];
  const save = useAct(
    () => {
      const { url, kind, ...change } = crawlInput(draft);
      return crawl ? api.changeCrawl(crawl.id, change) : api.addCrawl({ url, kind, ...change });
    },
    stale,
    {
      quiet: true,
      onDone: () => {
        notify(crawl ? "The website was saved." : "The website was added; reading begins at once.");
        onClose();
      },
    },
  );
  return (
    <SheetForm
      title={crawl ? "Edit the website" : "Add a website"}
      about="Its pages become documents. What its robots.txt forbids is not read."
      action={crawl ? "Save" : "Add and read"}
      check={check}
      save={save}
      onClose={onClose}
    >
      <TextField
        label="Address"
        name="url"
        autoFocus={crawl === null}
        type="url"
        inputMode="url"
        maxLength={URL_CHARS_MAX}
        placeholder="https://www.example.com/help"
        value={draft.url}
        readOnly={crawl !== null}
        problem={problems.url}
        {...(crawl && { hint: "To read another address, add another website." })}
        onChange={({ target }) => change({ url: target.value })}
      />
      {crawl === null && <KindChoice draft={draft} change={change} />}
      <Limits draft={draft} change={change} problems={problems} />
      <SelectField
        label="Read again"
        value={draft.schedule}
        options={SCHEDULES}
        hint="Only pages that changed are read anew; pages that are gone leave the knowledge base."
        onChange={(schedule) => change({ schedule })}
      />
      <LabelEditor
        draft={draft.labels}
        hint={audience(draft.labels.labels, "answered from its pages")}
        onChange={(labels) => change({ labels })}
      />
    </SheetForm>
  );
}

type PartProps = { draft: CrawlDraft; change: (changed: Partial<CrawlDraft>) => void };

function KindChoice({ draft, change }: PartProps) {
  return (
    <fieldset>
      <legend className="mb-1 font-medium">What to read</legend>
      <div className="overflow-hidden rounded-lg border border-edge">
        {KINDS.map(({ value, name, hint }) => (
          <Radio
            key={value}
            group="kind"
            name={name}
            hint={hint}
            checked={draft.kind === value}
            onChoose={() => change({ kind: value })}
            className="border-b border-line px-3 py-2 last:border-b-0 has-checked:bg-accent-tint"
          />
        ))}
      </div>
    </fieldset>
  );
}

function Limits({ draft, change, problems }: PartProps & { problems: ReturnType<typeof crawlProblems> }) {
  if (draft.kind === "page") return null;
  return (
    <div className="grid gap-4 sm:grid-cols-2">
      {draft.kind === "site" && (
        <TextField
          label="Depth"
          name="depth"
          inputMode="numeric"
          hint={`How many links away from the address, at most ${DEPTH_MAX}.`}
          value={draft.depth}
          problem={problems.depth}
          onChange={({ target }) => change({ depth: target.value })}
        />
      )}
      <TextField
        label="Pages at most"
        name="pages_max"
        inputMode="numeric"
        hint={`Up to ${PAGES_MAX.toLocaleString()}.`}
        value={draft.pages_max}
        problem={problems.pages_max}
        onChange={({ target }) => change({ pages_max: target.value })}
      />
    </div>
  );
}
