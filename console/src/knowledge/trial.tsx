/** A question to try: what is searched, what is found and by which figures, and what the bot would do. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { FlaskConical, Quote, Search } from "lucide-react";
import { type SyntheticEvent, useState } from "react";
import { keys } from "../keys";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { cx } from "../parts/cx";
import { SelectField, TextArea } from "../parts/field";
import { Empty, Failed, Loading } from "../parts/states";
import { EmbeddingsCard } from "./embeddings";
import { Verdict } from "./evidence";
import { Hit } from "./hit";
import { sitesQuery, trialQuery } from "./queries";
import { percent, QUESTION_CHARS_MAX, rewritten, scalesOf, trialOf, type TrialSearch } from "./trying";
import type { Curated, SearchReply, Trial } from "./wire";

const route = getRouteApi("/$slug/knowledge/try");

export function TrialScreen() {
  const search = route.useSearch();
  const trial = trialOf(search);
  return (
    <section aria-label="Try a question" className="h-full overflow-y-auto">
      <div className="mx-auto grid max-w-6xl gap-6 px-4 pt-4 pb-8 md:px-6 lg:grid-cols-[minmax(0,1fr)_19rem]">
        <div className="min-w-0">
          <TrialForm key={JSON.stringify(search)} search={search} />
          <Outcome trial={trial} />
        </div>
        <EmbeddingsCard />
      </div>
    </section>
  );
}

function TrialForm({ search }: { search: TrialSearch }) {
  const navigate = route.useNavigate();
  const org = useOrg();
  const client = useQueryClient();
  const sites = useQuery(sitesQuery(org)).data?.items ?? [];
  const [question, setQuestion] = useState(search.q ?? "");
  const [before, setBefore] = useState(search.before ?? "");
  const [site, setSite] = useState(search.site ?? "");
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    const q = question.trim();
    if (!q) return;
    // The documents may have changed since the same was tried.
    void client.invalidateQueries({ queryKey: keys.trials(org.slug) });
    void navigate({
      search: { q, ...(before.trim() && { before: before.trim() }), ...(site && { site }) },
    });
  };
  return (
    <form onSubmit={submit}>
      <div className="flex gap-2">
        <input
          value={question}
          maxLength={QUESTION_CHARS_MAX}
          dir="auto"
          aria-label="Question"
          placeholder="A question a visitor might ask"
          onChange={(event) => setQuestion(event.target.value)}
          className="h-9 min-w-0 flex-1 rounded-lg border border-edge bg-surface px-3 placeholder:text-soft"
        />
        <Button type="submit" tone="primary" disabled={!question.trim()}>
          <Search size={16} aria-hidden /> Try
        </Button>
      </div>
      <details className="mt-2" open={Boolean(search.before ?? search.site)}>
        <summary className="py-1 font-medium text-accent-strong">As whom, and after what</summary>
        <div className="mt-2 grid gap-4 sm:grid-cols-2">
          <SelectField
            label="As a visitor of"
            value={site}
            hint="A site's visitors are answered from documents without labels and from those with one of its labels."
            options={[
              { value: "", name: "No site: all documents" },
              ...sites.map(({ id, name, labels }) => ({
                value: id,
                name: labels.length > 0 ? `${name} (${labels.join(", ")})` : name,
              })),
            ]}
            onChange={setSite}
          />
          <TextArea
            label="Asked before"
            rows={2}
            value={before}
            hint="The visitor's earlier questions, one on each line, for a question that follows up."
            onChange={({ target }) => setBefore(target.value)}
          />
        </div>
      </details>
    </form>
  );
}

function Outcome({ trial }: { trial: Trial }) {
  const { data, error, isFetching, refetch } = useQuery(trialQuery(useOrg(), trial));
  if (trial.query === "") {
    return (
      <div className="h-64">
        <Empty icon={FlaskConical} title="See what the bot would find">
          Nobody is answered and nothing is kept: this only looks.
        </Empty>
      </div>
    );
  }
  if (error && !isFetching) return <Failed error={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading label="Searching" rows={3} />;
  return (
    <div
      aria-live="polite"
      aria-busy={isFetching}
      className={cx("mt-4 space-y-3", isFetching && "opacity-60")}
    >
      <Verdict band={data.band} evidence={data.evidence} />
      {data.curated && <CuratedAnswer curated={data.curated} />}
      <Searched reply={data} trial={trial} />
      {data.items.length === 0 && <p className="text-soft">No passage fits at all.</p>}
      <ol aria-label="Passages found" className="space-y-3">
        {data.items.map((hit, place) => (
          <Hit key={hit.passage.id} hit={hit} place={place + 1} scales={scalesOf(data.items)} />
        ))}
      </ol>
    </div>
  );
}

function Searched({ reply, trial }: { reply: SearchReply; trial: Trial }) {
  const changed = rewritten(reply, trial);
  if (!changed && reply.corrections.length === 0) return null;
  return (
    <div className="rounded-xl border border-line bg-surface px-4 py-3">
      {changed && (
        <p className="wrap-anywhere">
          <span className="text-soft">Searched as </span>
          <span dir="auto" className="font-medium">
            {reply.query}
          </span>
        </p>
      )}
      {reply.corrections.map(({ said, meant }) => (
        <p key={said} className="wrap-anywhere">
          <span className="text-soft">No document has </span>
          <span className="font-medium">{said}</span>
          <span className="text-soft">; searched too: </span>
          <span className="font-medium">{meant}</span>
        </p>
      ))}
    </div>
  );
}

function CuratedAnswer({ curated }: { curated: Curated }) {
  return (
    <div className="rounded-xl border border-accent bg-accent-tint px-4 py-3">
      <p className="flex items-start gap-2 font-medium text-accent-strong">
        <Quote size={16} className="mt-0.5 shrink-0" aria-hidden />
        The bot would give this answer word for word.
      </p>
      <p className="mt-2 font-medium wrap-anywhere" dir="auto">
        {curated.question}
      </p>
      <p className="mt-1 whitespace-pre-wrap wrap-anywhere" dir="auto">
        {curated.answer}
      </p>
      <p className="mt-2 text-xs text-soft">The question fits to {percent(curated.match)}.</p>
    </div>
  );
}
